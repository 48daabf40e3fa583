"""What a picture is to look like: the options of `render` and `diff`."""

from __future__ import annotations

import argparse

from flamegraph.cli.outputs import ending, write_text
from flamegraph.errors import OptionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from flamegraph.diff import Diff
    from flamegraph.profile import Profile

_DIRECTIONS = ("flame", "icicle")
_PAGE = (".html", ".htm")
_ENDINGS = (".svg", *_PAGE)
_LOOKS = ("title", "subtitle", "notes", "width", "min_width", "direction", "palette", "script", "si")


def add_picture(parser: argparse.ArgumentParser, title: str) -> None:
    """The options of `flamegraph.render`, by the same names."""
    group = parser.add_argument_group("picture")
    group.add_argument("--title", default=title, metavar="TEXT", help="the headline")
    group.add_argument("--subtitle", default="", metavar="TEXT", help="a line under the headline")
    group.add_argument(
        "--note", action="append", default=[], dest="notes", metavar="TEXT", help="a line under the picture"
    )
    group.add_argument("--width", type=int, default=1200, metavar="PX", help="width (1200)")
    add_min_width(group)
    group.add_argument("--direction", choices=_DIRECTIONS, default="flame", help="the root below or above")
    group.add_argument(
        "--palette", default="hot", metavar="NAME", help="colours: hot, package, app, memory or io"
    )
    group.add_argument("--si", action="store_true", help="kB and MB in place of KiB and MiB")
    group.add_argument(
        "--script", default="inline", metavar="none|URL", help="no script, or one shared by all pictures"
    )
    group.add_argument("--rows", type=int, default=100, metavar="COUNT", help="functions in a page's table")
    group.add_argument("--html", action="store_true", help="a page with a table (so is -o FILE.html)")

    parser.set_defaults(
        looks={name: parser.get_default(name) for name in (*_LOOKS, "rows", "html", "widths")}
    )


def check_drawn(arguments: argparse.Namespace) -> None:
    """For a command that was not asked for a picture: raises OptionError where it is told how to draw it."""
    given = [name for name, default in arguments.looks.items() if getattr(arguments, name, None) != default]
    if given:
        raise OptionError(
            f"{', '.join(map(_option, given))} would change a picture, and none is drawn; "
            "name its file by -o."
        )


def check_ending(arguments: argparse.Namespace) -> None:
    """Raises OptionError for an output whose name says that it is something else than a picture."""
    told = ending(arguments.output)
    if told and told not in _ENDINGS and not arguments.html:
        raise OptionError(
            f"{arguments.output} ends with {told}, which is no picture's ending; "
            f"choose one of {', '.join(_ENDINGS)}, or --html for a page of any name."
        )


def _option(name: str) -> str:
    return "--note" if name == "notes" else f"--{name.replace('_', '-')}"


def add_min_width(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """The least width of a frame."""
    parser.add_argument(
        "--min-width", type=float, default=0.1, metavar="PX", help="leave out frames narrower than this"
    )


def draw(arguments: argparse.Namespace, subject: Profile | Diff, target: str, **more: Any) -> None:
    """Draws as the options say and writes it whole."""
    options = {name: getattr(arguments, name) for name in _LOOKS}
    if arguments.html or ending(target) in _PAGE:
        from flamegraph.html import render_html

        write_text(target, render_html(subject, **options, **more, rows=arguments.rows))
        return
    if arguments.rows != arguments.looks["rows"]:
        raise OptionError("--rows is for the table of a page; ask for one by --html or -o FILE.html.")
    from flamegraph.svg import render

    write_text(target, render(subject, **options, **more))
