"""The `flamegraph` command. A subcommand is one entry in `COMMANDS`: its options and what it runs.

Exit codes: 0 done, 2 wrong options, 3 the input cannot be read, 4 the output cannot be written.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import BinaryIO, NamedTuple

from flamegraph.errors import FlamegraphError, OutputError
from flamegraph.formats.folded import read_folded
from flamegraph.layout import layout, name_of
from flamegraph.profile import Profile
from flamegraph.svg import render
from flamegraph.units import UNITS

_ONE_LINE = str.maketrans("\t\r\n", "   ")


class Command(NamedTuple):
    """One subcommand. `run` raises FlamegraphError for whatever the user should read."""

    name: str
    help: str
    prepare: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], None]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; errors go to standard error as a sentence."""
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except FlamegraphError as error:
        print(f"flamegraph: {error}", file=sys.stderr)  # noqa: T201 - what a command says to its user
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="flamegraph", description="Profiles in, flame graphs out.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in COMMANDS:
        sub = commands.add_parser(command.name, help=command.help, description=command.help)
        command.prepare(sub)
        sub.set_defaults(run=command.run)
    return parser


def _prepare_render(parser: argparse.ArgumentParser) -> None:
    _add_input(parser)
    parser.add_argument("-o", "--output", default="-", metavar="FILE", help="the SVG; - is standard output")
    parser.add_argument("--title", default="Flame graph", help="the headline")
    parser.add_argument("--subtitle", default="", help="a line under the headline")
    parser.add_argument("--note", action="append", default=[], dest="notes", help="a line under the picture")
    parser.add_argument("--width", type=int, default=1200, help="width of the picture in pixels")
    _add_min_width(parser)


def _run_render(arguments: argparse.Namespace) -> None:
    profile = _read(arguments)
    svg = render(
        profile,
        title=arguments.title,
        subtitle=arguments.subtitle,
        notes=arguments.notes,
        width=arguments.width,
        min_width=arguments.min_width,
    )
    _write(arguments.output, svg)


def _prepare_frames(parser: argparse.ArgumentParser) -> None:
    _add_input(parser)
    parser.add_argument("--width", type=float, default=1180, help="width of the root frame in pixels")
    _add_min_width(parser)


def _run_frames(arguments: argparse.Namespace) -> None:
    profile = _read(arguments)
    placed = layout(profile, arguments.width, arguments.min_width)
    lines = []
    for depth, row in enumerate(placed.rows):
        for frame in row:
            name = name_of(profile, frame.node).translate(_ONE_LINE)
            lines.append(f"{depth}\t{frame.x:.4f}\t{frame.width:.4f}\t{frame.total}\t{name}\n")
    _write("-", "".join(lines))


COMMANDS = (
    Command("render", "draw a profile as an interactive SVG", _prepare_render, _run_render),
    Command(
        "frames",
        "print where each frame of the picture stands: depth, x, width, count, name; by tabs",
        _prepare_frames,
        _run_frames,
    ),
)


def _add_input(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", help="folded stacks, one `a;b;c COUNT` a line; - is standard input")
    parser.add_argument("--unit", choices=UNITS, default="samples", help="what the counts are")


def _add_min_width(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--min-width", type=float, default=0.1, metavar="PX", help="leave out frames narrower than this"
    )


def _read(arguments: argparse.Namespace) -> Profile:
    source: str | BinaryIO = sys.stdin.buffer if arguments.input == "-" else arguments.input
    profile = read_folded(source, arguments.unit)
    invalid = profile.metadata.get("invalid_lines")
    if invalid:
        numbers = profile.metadata["invalid_line_numbers"]
        print(  # noqa: T201 - a warning to the user
            f"flamegraph: {invalid} lines are not a stack and a count and were left out (lines {numbers}"
            f"{', ...' if int(invalid) > numbers.count(',') + 1 else ''}).",
            file=sys.stderr,
        )
    return profile


def _write(target: str, text: str) -> None:
    try:
        if target == "-":
            sys.stdout.buffer.write(text.encode())
            sys.stdout.buffer.flush()
        else:
            with open(target, "wb") as file:  # noqa: PTH123 - as named by the user, `/dev/stdout` included
                file.write(text.encode())
    except BrokenPipeError:
        # The reader has seen enough. Python would complain again when it closes standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror or error}.") from error
