"""Draws a profile as an interactive SVG, or as a page with a table of the functions beside it.

examples:
  flamegraph render in.folded -o out.svg
  py-spy record -f raw -o raw.txt -- python app.py; flamegraph render raw.txt -o out.svg --no-line-numbers
  flamegraph render cpu.pb.gz --direction icicle --palette package -o cpu.html
  flamegraph render in.folded --only-package app --collapse-recursion --title 'Our code' -o app.svg
  flamegraph render in.folded --script /static/flamegraph.js -o strict.svg
"""

from __future__ import annotations

import argparse

from flamegraph.cli.inputs import add_input, read_input, shown
from flamegraph.cli.outputs import complain
from flamegraph.cli.pictures import add_picture, check_ending, draw

_EMPTY = 2


def prepare(parser: argparse.ArgumentParser) -> None:
    """One input, one picture."""
    parser.usage = "%(prog)s [options] input"
    add_input(parser)
    parser.add_argument(
        "-o", "--output", default="-", metavar="FILE", help="the picture; - is standard output"
    )
    add_picture(parser, "Flame graph")


def run(arguments: argparse.Namespace) -> int:
    """Reads, transforms and draws. A profile without samples is a picture that says so, and a failure."""
    check_ending(arguments)
    profile = read_input(arguments, arguments.input)
    draw(arguments, profile, arguments.output)
    if not profile.total:
        complain(f"{shown(arguments.input)}: The profile is empty: there is nothing to draw.")
        return _EMPTY
    return 0
