"""Profiles as output: the options of `merge` and `convert`."""

from __future__ import annotations

import argparse

from flamegraph.cli.outputs import complain, ending, output
from flamegraph.errors import OptionError
from flamegraph.profile import Profile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flamegraph.formats import Format

_PICTURES = (".svg", ".html")
_TEXT = ".txt"


def add_writing(parser: argparse.ArgumentParser) -> None:
    """Where to write and in which format."""
    parser.add_argument("-o", "--output", default="-", metavar="FILE", help="- is standard output")
    parser.add_argument(
        "--to", metavar="NAME", help="the output's format; told by FILE's ending if not given, else folded"
    )


def write_profile(arguments: argparse.Namespace, profile: Profile) -> None:
    """Writes the profile as the options say. Raises OptionError for a name that is no profile's."""
    from flamegraph.formats import by_name

    form = by_name(arguments.to) if arguments.to else _told_by(arguments.output)
    with output(arguments.output) as file:
        form.write(profile, file)
    if form.name == "folded" and profile.unit != "samples":
        complain(f"Folded stacks do not hold their unit; read them with --unit {profile.unit}.")


def _told_by(target: str) -> Format:
    from flamegraph.formats import FORMATS, by_name, by_suffix

    told = ending(target)
    if told in _PICTURES:
        raise OptionError(
            f"{target} would be a picture, which `flamegraph render` draws; give another ending, "
            "or the format with --to."
        )
    form = by_name("folded") if told in ("", _TEXT) else by_suffix(target)
    if form is None:
        known = (suffix for form in FORMATS if form.written for suffix in form.suffixes)
        raise OptionError(
            f"{target} ends with {told}, which is no format's ending; "
            f"choose one of {', '.join(known)}, {_TEXT}, or give the format with --to."
        )
    return form
