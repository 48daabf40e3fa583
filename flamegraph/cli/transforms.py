"""The transforms as options, applied in the order in which they are given."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from flamegraph.cli.outputs import complain
from flamegraph.profile import Profile
from flamegraph.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Transform(Record):
    """An option: the function of `flamegraph.transform` it stands for, and the names of its arguments."""

    option: str
    function: str
    metavars: tuple[str, ...]
    help: str


_TRANSFORMS = (
    _Transform("--focus", "focus", ("REGEX",), "only stacks with a frame that matches"),
    _Transform("--ignore", "ignore", ("REGEX",), "only stacks without a frame that matches"),
    _Transform("--hide", "hide", ("REGEX",), "leave out frames that match; callers take their weight"),
    _Transform("--only-package", "only_package", ("NAME",), "hide all frames outside a package"),
    _Transform("--cut-after", "cut_after", ("REGEX",), "leave out what matching frames call"),
    _Transform(
        "--collapse-recursion", "collapse_recursion", (), "one frame for a function that calls itself"
    ),
    _Transform("--reverse", "reverse", (), "innermost frame first: who calls the functions that weigh most"),
    _Transform("--scale", "scale", ("FACTOR",), "multiply all weights"),
    _Transform("--rename", "rename", ("REGEX", "TEXT"), "replace in names; \\1 is the first group"),
    _Transform("--no-line-numbers", "drop_line_numbers", (), "one frame a function, not one a line"),
    _Transform("--no-threads", "drop_threads", (), "leave out frames of processes and threads"),
    _Transform("--by-thread", "group_by_thread", (), "a frame for each thread at the root"),
)


def add_transforms(parser: argparse.ArgumentParser) -> None:
    """One option a transform; each can be given several times."""
    group = parser.add_argument_group("transforms, applied in the order given")
    parser.set_defaults(transforms=())
    for transform in _TRANSFORMS:
        group.add_argument(
            transform.option,
            action=_Append,
            dest=transform.function,
            nargs=len(transform.metavars),
            metavar=transform.metavars or None,
            type=float if transform.function == "scale" else str,
            default=argparse.SUPPRESS,
            help=transform.help.replace("%", "%%"),
        )


def apply(arguments: argparse.Namespace, profile: Profile) -> Profile:
    """The profile after all transforms asked for."""
    if arguments.transforms:
        from flamegraph import transform

        for function, values in arguments.transforms:
            before, profile = profile, getattr(transform, function)(profile, *values)
            if before.total and not profile.total:
                option = next(known.option for known in _TRANSFORMS if known.function == function)
                complain(f"{' '.join(map(str, (option, *values)))} leaves nothing of the profile.")
    return profile


class _Append(argparse.Action):
    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        namespace.transforms = (*namespace.transforms, (self.dest, values or ()))
