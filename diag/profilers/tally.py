"""What the looks at threads found: time by thread, request and stack."""

import asyncio
import heapq
import threading
from collections import Counter, defaultdict
from collections.abc import Mapping
from types import CodeType, FrameType
from typing import Final

from diag.logs.request_id import current_request
from diag.profilers import labels
from diag.profilers.frames import FrameNames, safe

_MOST_IDS: Final = 64

#: For every frame, innermost first, the id of its code, which the tally keeps alive, and the instruction.
_Place = tuple[int, ...]
#: The thread, what it served and with what id, and where it was.
_Key = tuple[int, str | None, str | None, _Place]


class Tally:
    """Seconds that stacks stand for. ``loop`` is the one whose requests are told, of the calling thread; with
    ``ids`` by their ids too.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, ids: bool = False) -> None:
        self._loop = loop
        self._ids = ids
        self._serving = threading.get_ident()
        self.looks = 0
        self._seconds: defaultdict[_Key, float] = defaultdict(float)
        self._codes: dict[_Place, tuple[CodeType, ...]] = {}

    def add(self, ident: int, tid: int, frame: FrameType, seconds: float) -> None:
        """One look at a thread. From a signal handler too."""
        self.looks += 1
        place, codes = _walk(frame)
        if place not in self._codes:
            self._codes[place] = tuple(codes)
        # Other threads do not say for whom they work.
        request = labels.request_now(self._loop, codes) if ident == self._serving else None
        # The context is that of the task that was interrupted.
        id_ = current_request() if self._ids and request is not None else None
        self._seconds[tid, request, id_, place] += seconds

    def by_thread(self) -> dict[int, float]:
        """Seconds by kernel thread id."""
        found: defaultdict[int, float] = defaultdict(float)
        for (tid, _, _, _), seconds in self._seconds.copy().items():
            found[tid] += seconds
        return dict(found)

    def weights(
        self, names: FrameNames, scales: Mapping[int, float], roots: Mapping[int, str] | None = None
    ) -> Counter[str]:
        """Samples by stack, under frames for the request where there was one, and for its id.

        ``scales`` are samples a second by thread, ``roots`` the names of threads, where these stand first.
        """
        found: defaultdict[str, float] = defaultdict(float)
        taken = self._seconds.copy()
        ids = _heaviest(taken)
        for (tid, request, id_, place), seconds in taken.items():
            codes = self._codes[place]
            stack = names.stack(
                [(code, _line(code, place[2 * at + 1])) for at, code in enumerate(codes)][::-1]
            )
            if roots is not None:
                stack = f"thread {safe(roots.get(tid, str(tid)))};{stack}"
            label = "" if request is None else f"{safe(labels.FRAME + request)};"
            if id_ in ids:
                label += f"{labels.ID_FRAME}{id_};"
            found[label + stack] += seconds * scales.get(tid, 0.0)
        return _whole(found)


def _heaviest(taken: Mapping[_Key, float]) -> set[str]:
    """The ids of the requests that took longest: a profile with every id would be a list of requests."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for (_, _, id_, _), spent in taken.items():
        if id_ is not None:
            seconds[id_] += spent
    return set(heapq.nlargest(_MOST_IDS, seconds, key=seconds.__getitem__))


def _walk(frame: FrameType | None) -> tuple[_Place, list[CodeType]]:
    """Where a stack is, and its functions, innermost first. A line would have to be looked up, a function's
    hash be reckoned from all its code: what is taken here in microseconds is made into names later.
    """
    place: list[int] = []
    codes: list[CodeType] = []
    while frame is not None:
        code = frame.f_code
        codes.append(code)
        place.append(id(code))
        place.append(frame.f_lasti)
        frame = frame.f_back
    return tuple(place), codes


def _line(code: CodeType, instruction: int) -> int:
    """The line of an instruction; the function's first where the code does not say."""
    for start, end, line in code.co_lines():
        if start <= instruction < end and line is not None:
            return line
    return code.co_firstlineno


def _whole(weights: Mapping[str, float]) -> Counter[str]:
    """In whole numbers, what is left over of one stack going to its neighbour, so that sums stay right."""
    found: Counter[str] = Counter()
    owed = 0.0
    for stack in sorted(weights):
        owed += weights[stack]
        found[stack] = max(0, round(owed))
        owed -= found[stack]
    return found
