"""Adds up profiles of one unit: several processes, several runs, several files of a rotation.

examples:
  flamegraph merge worker-*.folded -o all.folded
  flamegraph merge monday.pb.gz tuesday.pb.gz -o week.pb.gz
  flamegraph merge run-*.folded --no-line-numbers | flamegraph render - -o all.svg
"""

from __future__ import annotations

import argparse

from flamegraph.cli.inputs import add_reading, read_inputs
from flamegraph.cli.profiles import add_writing, write_profile


def prepare(parser: argparse.ArgumentParser) -> None:
    """Inputs and one output."""
    parser.usage = "%(prog)s [options] input ..."
    parser.add_argument("inputs", nargs="+", metavar="input", help="profiles; - is standard input")
    add_writing(parser)
    add_reading(parser)


def run(arguments: argparse.Namespace) -> None:
    """Reads all, adds them up, writes the sum."""
    from flamegraph.transform import merge

    write_profile(arguments, merge(read_inputs(arguments, arguments.inputs)))
