"""`Hot`: what a profile says of one function."""

from __future__ import annotations

from typing import NamedTuple


class Hot(NamedTuple):
    """One function over all its calls. `total` counts a recursive function once per stack. Weights are in the
    profile's unit."""

    name: str
    self: int | float
    total: int | float
