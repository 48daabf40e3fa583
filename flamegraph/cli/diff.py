"""Compares two profiles. The text comes first: which functions' own share changed, by how many points of the
whole, and how sure that is. With -o there is a picture too, coloured by change: orange grew, blue shrank,
pale may be chance.

examples:
  flamegraph diff before.folded after.folded
  flamegraph diff before.folded after.folded -o diff.svg --widths max
  flamegraph diff old.pb.gz new.pb.gz --no-line-numbers --rename '^_impl_' '' -n 20
  flamegraph diff one-second.folded other-second.folded --no-normalize
  flamegraph diff --two-column stackdiff.txt -o diff.html
"""

from __future__ import annotations

import argparse
import os
import sys

from flamegraph.cli import transforms
from flamegraph.cli.inputs import add_reading, read_input, read_inputs
from flamegraph.cli.outputs import write_text
from flamegraph.cli.pictures import add_picture, check_drawn, check_ending, draw
from flamegraph.errors import OptionError
from flamegraph.profile import Profile


def prepare(parser: argparse.ArgumentParser) -> None:
    """Two inputs, or one that holds both; text and a picture."""
    parser.usage = "%(prog)s [options] base new"
    parser.add_argument("base", help="the profile before; - is standard input")
    parser.add_argument("new", nargs="?", help="the profile after")
    parser.add_argument(
        "--two-column", action="store_true", help="BASE holds both: folded stacks with two counts a line"
    )
    parser.add_argument("-n", type=int, default=10, metavar="COUNT", help="functions to name each way")
    parser.add_argument(
        "--no-normalize", action="store_true", help="compare weights, not shares: both did the same work"
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="the picture; with - the text goes to standard error"
    )
    parser.add_argument(
        "--widths",
        choices=("new", "base", "max", "delta"),
        default="new",
        help="what a frame's width stands for",
    )
    add_reading(parser)
    add_picture(parser, "Differential flame graph")


def run(arguments: argparse.Namespace) -> None:
    """Prints the text, then draws."""
    from flamegraph.diff import diff

    if not arguments.output:
        check_drawn(arguments)
    else:
        check_ending(arguments)
    base, new = _read(arguments)
    compared = diff(base, new, not arguments.no_normalize)
    text = compared.summary(arguments.n)
    if arguments.output == "-":
        sys.stderr.write(text)
    else:
        write_text("-", text)
    if arguments.output:
        draw(arguments, compared, arguments.output, widths=arguments.widths)


def _read(arguments: argparse.Namespace) -> tuple[Profile, Profile]:
    if not arguments.two_column:
        if arguments.new is None:
            raise OptionError(
                "A comparison needs two profiles, or --two-column and one with two counts a line."
            )
        base, new = read_inputs(arguments, (arguments.base, arguments.new))
        return _counted(arguments, arguments.base, base, new), _counted(arguments, arguments.new, new, base)
    if arguments.new is not None:
        raise OptionError("--two-column takes one input, which holds both profiles.")
    from flamegraph.formats.folded import read_differential

    source = sys.stdin.buffer if arguments.base == "-" else arguments.base
    base, new = read_differential(source, arguments.unit or "samples")
    return transforms.apply(arguments, base), transforms.apply(arguments, new)


def _counted(arguments: argparse.Namespace, source: str, profile: Profile, other: Profile) -> Profile:
    """The profile in samples where the other is, and its times were reckoned from samples of its own."""
    reckoned = profile.unit == "microseconds" and "samples" in profile.metadata
    asked = arguments.sample_type is not None
    if other.unit != "samples" or not reckoned or asked or not os.path.isfile(source):  # noqa: PTH113 - without pathlib
        return profile
    try:
        return read_input(argparse.Namespace(**{**vars(arguments), "sample_type": "samples"}), source)
    except OptionError:
        return profile
