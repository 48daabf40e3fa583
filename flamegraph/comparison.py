"""What drawing asks of a comparison. For type checkers alone: nothing here is loaded to draw a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from flamegraph.profile import Profile


class Moved(Protocol):
    """One function in both profiles; the values are shares, the totals counted once in recursion."""

    @property
    def name(self) -> str:
        """The function."""

    @property
    def base(self) -> float:
        """Its own share before."""

    @property
    def new(self) -> float:
        """Its own share now."""

    @property
    def base_total(self) -> float:
        """Its share with all it calls, before."""

    @property
    def new_total(self) -> float:
        """Its share with all it calls, now."""


class Comparison(Protocol):
    """Two profiles in one call tree; see `flamegraph.diff.Diff`, which is one."""

    @property
    def tree(self) -> Profile:
        """The union of both trees, under the weights of the new profile."""

    @property
    def base(self) -> Sequence[float]:
        """Own weights of the base by node, in the scale of the new profile."""

    @property
    def base_totals(self) -> Sequence[float]:
        """`base` with all descendants."""

    @property
    def whole(self) -> float:
        """The weight of a share of one, in either profile."""

    @property
    def functions(self) -> Sequence[Moved]:
        """Every function of either profile, what changed most first."""

    def change(self, node: int) -> float:
        """Logarithm to base two of new share : base share, held to -2..2."""

    def significance(self, node: int) -> float:
        """0 for what cannot be told from noise, up to 1."""

    def is_new(self, node: int) -> bool:
        """Whether the base has no such frame."""

    def is_vanished(self, node: int) -> bool:
        """Whether only the base has the frame."""
