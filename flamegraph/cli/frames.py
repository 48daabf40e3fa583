"""Prints where each frame of the picture stands, one a line: depth, x, width (pixels), weight and name,
between tabs.

examples:
  flamegraph frames in.folded
  flamegraph frames in.folded --width 1000 --min-width 0 | sort -t "$(printf '\\t')" -k3 -rn | head
"""

from __future__ import annotations

import argparse

from flamegraph.cli.inputs import add_input, read_input
from flamegraph.cli.outputs import write_text
from flamegraph.cli.pictures import add_min_width

_ONE_LINE = str.maketrans("\t\r\n", "   ")


def prepare(parser: argparse.ArgumentParser) -> None:
    """One input."""
    parser.usage = "%(prog)s [options] input"
    add_input(parser)
    parser.add_argument("--width", type=float, default=1180, help="width of the root frame in pixels")
    add_min_width(parser)


def run(arguments: argparse.Namespace) -> None:
    """Lays out and prints."""
    from flamegraph.layout import layout, name_of

    profile = read_input(arguments, arguments.input)
    placed = layout(profile, arguments.width, arguments.min_width)
    lines = []
    for depth, row in enumerate(placed.rows):
        for frame in row:
            name = name_of(profile, frame.node).translate(_ONE_LINE)
            lines.append(f"{depth}\t{frame.x:.4f}\t{frame.width:.4f}\t{frame.total}\t{name}\n")
    write_text("-", "".join(lines))
