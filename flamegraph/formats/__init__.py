"""Profiles as files: one module a format, and the list of what can be read by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import BinaryIO

from flamegraph.formats.folded import read_folded
from flamegraph.profile import Profile

Reader = Callable[[BinaryIO, str], Profile]

READERS: Mapping[str, Reader] = MappingProxyType({"folded": read_folded})
