"""What the looks at threads found: time by thread, request and stack."""

import asyncio
import threading
from collections import Counter, defaultdict
from collections.abc import Mapping
from types import FrameType

from diag.profilers import labels
from diag.profilers.frames import FrameNames, RawStack, raw_stack, safe


class Tally:
    """Seconds that stacks stand for. ``loop`` is the one whose requests are told, of the calling thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._serving = threading.get_ident()
        self.looks = 0
        self._seconds: defaultdict[tuple[int, str | None, RawStack], float] = defaultdict(float)

    def add(self, ident: int, tid: int, frame: FrameType, seconds: float) -> None:
        """One look at a thread. From a signal handler too."""
        self.looks += 1
        stack = raw_stack(frame)
        # Other threads do not say for whom they work.
        request = labels.request_now(self._loop, stack) if ident == self._serving else None
        self._seconds[tid, request, stack] += seconds

    def by_thread(self) -> dict[int, float]:
        """Seconds by kernel thread id."""
        found: defaultdict[int, float] = defaultdict(float)
        for (tid, _, _), seconds in self._seconds.items():
            found[tid] += seconds
        return dict(found)

    def weights(
        self, names: FrameNames, scales: Mapping[int, float], roots: Mapping[int, str] | None = None
    ) -> Counter[str]:
        """Samples by stack, under a frame for the request where there was one.

        ``scales`` are samples a second by thread, ``roots`` the names of threads, where these stand first.
        """
        found: defaultdict[str, float] = defaultdict(float)
        for (tid, request, raw), seconds in self._seconds.items():
            stack = names.stack(raw)
            if roots is not None:
                stack = f"thread {safe(roots.get(tid, str(tid)))};{stack}"
            label = "" if request is None else f"{safe(labels.FRAME + request)};"
            found[label + stack] += seconds * scales.get(tid, 0.0)
        return _whole(found)


def _whole(weights: Mapping[str, float]) -> Counter[str]:
    """In whole numbers, what is left over of one stack going to its neighbour, so that sums stay right."""
    found: Counter[str] = Counter()
    owed = 0.0
    for stack in sorted(weights):
        owed += weights[stack]
        found[stack] = max(0, round(owed))
        owed -= found[stack]
    return found
