"""Profiles in, flame graphs and verdicts out. Standard library only.

>>> import flamegraph
>>> profile = flamegraph.Profile.from_stacks([(("main", "work"), 3), (("main",), 1)])
>>> profile.total
4
>>> flamegraph.render(profile, title="A small one").startswith("<svg")
True
>>> slower = flamegraph.Profile.from_stacks([(("main", "work"), 900), (("main",), 100)])
>>> compared = flamegraph.diff(flamegraph.scale(profile, 250), slower)
>>> [(change.name, round(change.growth, 2)) for change in compared.functions]
[('work', 0.15), ('main', -0.15)]
>>> [finding.name for finding in flamegraph.check(flamegraph.scale(profile, 250), slower).findings]
['work']

A `Profile` is a call tree in columns; every transform takes one and makes another, `read` makes one of a
file, `render` and `render_html` draw one, `diff` compares two, `check` judges. Weights are in the profile's
unit; shares are fractions of the whole. What goes wrong on purpose is a FlamegraphError.

Names are imported when they are first used: the command starts in the time of what it needs.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flamegraph.check import Finding, Limits, Verdict, check
    from flamegraph.csp import csp_hashes
    from flamegraph.diff import Change, Diff, diff
    from flamegraph.errors import FlamegraphError, InputError, OptionError, OutputError, VerdictError
    from flamegraph.formats import read, write
    from flamegraph.formats.folded import read_differential, read_folded, write_folded
    from flamegraph.hot import Hot
    from flamegraph.html import render_html
    from flamegraph.profile import Profile
    from flamegraph.svg import render
    from flamegraph.transform import (
        collapse_recursion,
        cut_after,
        drop_line_numbers,
        drop_threads,
        focus,
        group_by_thread,
        hide,
        ignore,
        merge,
        only_package,
        rename,
        reverse,
        scale,
    )

__all__ = [
    "Change",
    "Diff",
    "Finding",
    "FlamegraphError",
    "Hot",
    "InputError",
    "Limits",
    "OptionError",
    "OutputError",
    "Profile",
    "Verdict",
    "VerdictError",
    "check",
    "collapse_recursion",
    "csp_hashes",
    "cut_after",
    "diff",
    "drop_line_numbers",
    "drop_threads",
    "focus",
    "group_by_thread",
    "hide",
    "ignore",
    "merge",
    "only_package",
    "read",
    "read_differential",
    "read_folded",
    "rename",
    "render",
    "render_html",
    "reverse",
    "scale",
    "write",
    "write_folded",
]

_MODULES = {
    "check": ("Finding", "Limits", "Verdict", "check"),
    "csp": ("csp_hashes",),
    "diff": ("Change", "Diff", "diff"),
    "errors": ("FlamegraphError", "InputError", "OptionError", "OutputError", "VerdictError"),
    "formats": ("read", "write"),
    "formats.folded": ("read_differential", "read_folded", "write_folded"),
    "hot": ("Hot",),
    "html": ("render_html",),
    "profile": ("Profile",),
    "svg": ("render",),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME.get(name, 'transform')}"), name)
    globals()[name] = value
    return value


class _Package(ModuleType):
    """Importing a module binds it here, in the place of the function that has its name: not so."""

    def __setattr__(self, name: str, value: object) -> None:
        if name not in __all__ or not isinstance(value, ModuleType):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
