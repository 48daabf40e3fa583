"""Profiles as output: the options of `merge` and `convert`."""

from __future__ import annotations

import argparse

from flamegraph.cli.outputs import complain, output
from flamegraph.errors import OptionError
from flamegraph.profile import Profile

_PICTURES = (".svg", ".html")


def add_writing(parser: argparse.ArgumentParser) -> None:
    """Where to write and in which format."""
    parser.add_argument("-o", "--output", default="-", metavar="FILE", help="- is standard output")
    parser.add_argument(
        "--to", metavar="NAME", help="the output's format; told by FILE's ending if not given, else folded"
    )


def write_profile(arguments: argparse.Namespace, profile: Profile) -> None:
    """Writes the profile as the options say. Raises OptionError for a name that is a picture's."""
    from flamegraph.formats import by_name, by_suffix

    if not arguments.to and arguments.output.lower().endswith(_PICTURES):
        raise OptionError(
            f"{arguments.output} would be a picture, which `flamegraph render` draws; give another ending, "
            "or the format with --to."
        )
    form = by_name(arguments.to) if arguments.to else by_suffix(arguments.output) or by_name("folded")
    with output(arguments.output) as file:
        form.write(profile, file)
    if form.name == "folded" and profile.unit != "samples":
        complain(f"Folded stacks do not hold their unit; read them with --unit {profile.unit}.")
