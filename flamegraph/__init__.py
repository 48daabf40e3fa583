"""Profiles in, flame graphs out. Standard library only.

>>> import flamegraph
>>> profile = flamegraph.Profile.from_stacks([(("main", "work"), 3), (("main",), 1)])
>>> profile.total
4
>>> flamegraph.render(profile, title="A small one").startswith("<svg")
True
"""

from flamegraph.errors import FlamegraphError, InputError, OptionError, OutputError
from flamegraph.formats.folded import read_folded, write_folded
from flamegraph.profile import Hot, Profile
from flamegraph.svg import render

__all__ = [
    "FlamegraphError",
    "Hot",
    "InputError",
    "OptionError",
    "OutputError",
    "Profile",
    "read_folded",
    "render",
    "write_folded",
]
