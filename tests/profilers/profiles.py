"""Kept profiles made up for tests."""

import time

from diag.profilers.about import About, new_id
from diag.profilers.capture import Capture
from diag.profilers.repack import packed

FOLDED = b"main (a.py:1) 1\nmain (a.py:1);work (a.py:2) 3\n"


def capture(folded: bytes = FOLDED, **changes: object) -> Capture:
    fields: dict[str, object] = {
        "folded": folded,
        "kind": "cpu",
        "unit": "samples",
        "engine": "py-spy",
        "mode": "gil",
        "seconds": 5.012,
        "samples": 4,
        "errors": 1,
        "rate_asked": 99.0,
        "rate_effective": 98.5,
        "pause_share": 0.0123,
        "notes": ("The rate was lowered.",),
    }
    return Capture(**{**fields, **changes})  # type: ignore[arg-type]


def about(
    name: str | None = None, when: float | None = None, notes: tuple[str, ...] = ("The rate was lowered.",)
) -> About:
    """The account of such a capture; ``when`` makes its id."""
    id_ = new_id(time.time() if when is None else when)
    return About.of(capture(notes=notes), id_=id_, name=name, node_id=1, nodes=(1,), version="0.1.0")


def content(folded: bytes = FOLDED) -> bytes:
    """Its gzipped pprof."""
    return packed(folded, "samples", {})
