"""How the node has been for half an hour: its memory, by who holds it, and what came and went in its cluster.

One look each ten seconds, at figures that are there anyway.
"""

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from diag.doctor.facts import Growth, Lately
from diag.metrics.looks import Looks

_EVERY: Final = 10.0
_SECONDS: Final = 1800.0
#: Of fewer looks no course of the memory is told.
_LEAST: Final = 6

OWN: Final = "this process, mapped files aside"
FILES: Final = "mapped files (the store)"
BLOCKS: Final = "small Python objects"
#: Bytes of a block of Python's own allocator, about.
_BLOCK: Final = 64


class Standing(NamedTuple):
    """What comes and goes in a cluster, counted since some start. ``lost`` are connections, by node.

    ``handed_over`` is how often this node gave leadership away by order; all nodes see each such change.
    """

    leader_changes: int = 0
    handed_over: int = 0
    restarts: int = 0
    lost: Mapping[int, int] = {}


class _Look(NamedTuple):
    at: float
    memory: Mapping[str, int]
    standing: Standing


class Course:
    """``standing`` and ``others``, bytes by further holders, are read on the loop, each ``every`` seconds."""

    def __init__(
        self,
        standing: Callable[[], Standing],
        others: Callable[[], Mapping[str, int]] = dict,
        *,
        every: float = _EVERY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._standing = standing
        self._others = others
        self._clock = clock
        self._looks = Looks(self._taken, every, max(_LEAST, round(_SECONDS / every)), "doctor course")

    def start(self) -> None:
        """Begin on the running loop, with a first look."""
        self._looks.look()
        self._looks.start()

    async def stop(self) -> None:
        """End; harmless when it did not start."""
        await self._looks.stop()

    def look(self) -> None:
        """Look now."""
        self._looks.look()

    def _taken(self) -> _Look:
        memory = {**_memory(), BLOCKS: sys.getallocatedblocks() * _BLOCK, **self._others()}
        return _Look(self._clock(), memory, self._standing())

    def growth(self) -> Growth | None:
        """How memory went, None before there are looks enough. What grew most comes first."""
        looks = self._looks.kept()
        if len(looks) < _LEAST:
            return None
        thirds = [looks[part * len(looks) // 3 : (part + 1) * len(looks) // 3] for part in range(3)]
        own = [sorted(look.memory.get(OWN, 0) for look in third)[len(third) // 2] for third in thirds]
        first, last = looks[0].memory, looks[-1].memory
        grown = {holder: last[holder] - first.get(holder, 0) for holder in last if holder != OWN}
        return Growth(
            seconds=looks[-1].at - looks[0].at,
            first=first.get(OWN, 0),
            last=last.get(OWN, 0),
            steady=own[0] < own[1] < own[2],
            holders=tuple(sorted(grown.items(), key=lambda item: -item[1])),
        )

    def lately(self, within: float) -> Lately:
        """What changed in the last ``within`` seconds; a counter that began anew counts from 0."""
        looks = [look for look in self._looks.kept() if look.at >= self._clock() - within]
        if not looks:
            return Lately()
        first, last = looks[0].standing, looks[-1].standing
        return Lately(
            seconds=looks[-1].at - looks[0].at,
            leader_changes=_since(first.leader_changes, last.leader_changes),
            handed_over=_since(first.handed_over, last.handed_over),
            restarts=_since(first.restarts, last.restarts),
            lost=tuple(
                (node_id, _since(first.lost.get(node_id, 0), now)) for node_id, now in last.lost.items()
            ),
        )


def _since(first: int, last: int) -> int:
    return last - first if last >= first else last


def _memory() -> dict[str, int]:
    """Of this process; empty where the system does not tell."""
    told = status_bytes("self", "RssAnon", "RssFile")
    return {} if told is None else {OWN: told[0], FILES: told[1]}


def status_bytes(process: str, *names: str) -> list[int] | None:
    """Figures of ``/proc/PROCESS/status`` in bytes, 0 for one that is not there; None for no such process."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return None
    values = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    return [int(values[name][0]) << 10 if name in values else 0 for name in names]
