"""Turns a profile into another format, without losing a frame or any weight the other can hold.

examples:
  flamegraph convert profile.prof -o profile.folded
  flamegraph convert in.folded --to speedscope -o in.speedscope.json
  flamegraph convert memory.bin --mode leaked --to pprof -o leaks.pb.gz
  flamegraph convert cpu.pb.gz --focus 'app/' --no-line-numbers > app.folded
"""

from __future__ import annotations

import argparse

from flamegraph.cli.inputs import add_input, read_input
from flamegraph.cli.profiles import add_writing, write_profile


def prepare(parser: argparse.ArgumentParser) -> None:
    """One input, one output."""
    parser.usage = "%(prog)s [options] input"
    add_input(parser)
    add_writing(parser)


def run(arguments: argparse.Namespace) -> None:
    """Reads, transforms, writes."""
    write_profile(arguments, read_input(arguments, arguments.input))
