"""Prints the functions that weigh most: by themselves (self) and with all they call (total, recursion counted
once).

examples:
  flamegraph top in.folded
  flamegraph top cpu.pb.gz -n 30 --by total --no-line-numbers
  flamegraph top in.folded --focus 'handle_request' --json
"""

from __future__ import annotations

import argparse

from flamegraph.cli.inputs import add_input, read_input
from flamegraph.cli.outputs import write_text
from flamegraph.errors import OptionError
from flamegraph.hot import Hot
from flamegraph.profile import Profile
from flamegraph.units import format_share, format_value


def prepare(parser: argparse.ArgumentParser) -> None:
    """One input, a table or JSON."""
    parser.usage = "%(prog)s [options] input"
    add_input(parser)
    parser.add_argument("-n", type=int, default=20, metavar="COUNT", help="functions to print")
    parser.add_argument("--by", choices=("self", "total"), default="self", help="what they are ordered by")
    parser.add_argument("--json", action="store_true", help="unit, total and functions as JSON")
    parser.add_argument("--si", action="store_true", help="kB and MB in place of KiB and MiB")
    parser.add_argument("-o", "--output", default="-", metavar="FILE", help="- is standard output")


def run(arguments: argparse.Namespace) -> None:
    """Reads, transforms, prints."""
    if arguments.n < 0:
        raise OptionError(f"The number of functions is {arguments.n}; it must be 0 or more.")
    profile = read_input(arguments, arguments.input)
    if arguments.by == "self":
        hottest = profile.top(arguments.n)
    else:
        hottest = sorted(profile.top(len(profile)), key=lambda hot: (-hot.total, -hot.self, hot.name))[
            : arguments.n
        ]
    write_text(
        arguments.output,
        _json(profile, hottest) if arguments.json else _table(profile, hottest, arguments.si),
    )


def _table(profile: Profile, hottest: list[Hot], si: bool) -> str:
    from flamegraph.report import one_line

    rows: list[tuple[str, ...]] = [("self", "self%", "total", "total%", "function")]
    for hot in hottest:
        weights = [
            text
            for weight in (hot.self, hot.total)
            for text in (format_value(weight, profile.unit, si), format_share(weight, profile.total))
        ]
        rows.append((*weights, one_line(hot.name)))
    wide = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        "  ".join([*(f"{cell:>{room}}" for cell, room in zip(row[:4], wide, strict=True)), row[4]])
        for row in rows
    ]
    return "\n".join([f"Total: {format_value(profile.total, profile.unit, si)}", *lines]) + "\n"


def _json(profile: Profile, hottest: list[Hot]) -> str:
    import json

    told = {
        "unit": profile.unit,
        "total": profile.total,
        "functions": [hot._asdict() for hot in hottest],
    }
    return json.dumps(told, indent=2) + "\n"
