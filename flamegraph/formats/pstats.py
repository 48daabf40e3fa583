"""Statistics of cProfile and profile: who called whom, and for how long, but not in which stacks.

A function's own time is known by its direct caller. Which of the caller's stacks it belongs to is known only
where there is one; elsewhere it is split in proportion to the time each way in took, and the frame is marked
with `_[g]`, for guessed. Calls that would close a circle end there, as a frame that is not split further. All
own times add up to what was measured.

The number of ways through a graph can grow as a power of two, so the heaviest are followed first and frames
are limited; what lies below is one frame, `[not split further]`.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from flamegraph import frame
from flamegraph.errors import InputError
from flamegraph.formats import marshalled
from flamegraph.formats.options import Options
from flamegraph.formats.source import read_all
from flamegraph.profile import ROOT, Profile, TreeBuilder

MOST_FRAMES = 50_000
GUESSED = b"_[g]"
_REST = b"[not split further]"
_WHOLE = 1 - 1e-9
# Ways in that took no measurable time still need a share.
_LEAST = 1e-12

Function = tuple[str, int, str]


class Call(NamedTuple):
    """Seconds of one caller's calls of one function: in the function itself, and with all it called."""

    own: float
    whole: float


class Statistics(NamedTuple):
    """By function: its own totals, and its totals by caller."""

    totals: dict[Function, Call]
    callers: dict[Function, dict[Function, Call]]


def sniff(head: bytes) -> bool:
    """Whether it is a marshalled dictionary whose first key is a tuple."""
    return head[:1] in (b"{", b"\xfb") and head[1:2] in (b"(", b")", b"\xa8", b"\xa9")


def read(stream: BinaryIO, options: Options) -> Profile:
    """Reads what `Profile.dump_stats` wrote, as microseconds. Raises InputError for anything else."""
    statistics = _statistics(marshalled.loads(read_all(stream)))
    return _Splitter(_Graph(statistics)).profile()


def _statistics(value: Any) -> Statistics:
    if not isinstance(value, dict):
        raise InputError("The marshalled data is no table of functions; it should come from dump_stats.")
    totals: dict[Function, Call] = {}
    callers: dict[Function, dict[Function, Call]] = {}
    for key, entry in value.items():
        function = _function(key)
        if not isinstance(entry, tuple) or len(entry) != 5 or not isinstance(entry[4], dict):
            raise InputError(f"The statistics of {key} are not five values, the last one a table of callers.")
        totals[function] = _call(entry, key)
        calls = max(sum(count for count in entry[4].values() if isinstance(count, int)), 1)
        callers[function] = {
            _function(caller): _part(totals[function], by, calls) if isinstance(by, int) else _call(by, key)
            for caller, by in entry[4].items()
        }
    for by_caller in list(callers.values()):
        for caller in by_caller:
            totals.setdefault(caller, Call(0.0, 0.0))
            callers.setdefault(caller, {})
    return Statistics(totals, callers)


def _function(key: Any) -> Function:
    if isinstance(key, tuple) and len(key) == 3:
        file, line, name = key
        if isinstance(file, str) and isinstance(line, int) and isinstance(name, str):
            return file, line, name
    raise InputError(f"{str(key)[:200]} in the statistics is no function: file, line and name.")


def _call(entry: Any, key: Any) -> Call:
    if isinstance(entry, tuple) and len(entry) >= 4:
        own, whole = entry[2], entry[3]
        if all(isinstance(value, (int, float)) and 0 <= value < math.inf for value in (own, whole)):
            return Call(float(own), float(whole))
    raise InputError(f"The times of {str(key)[:200]} are not two numbers, zero or more.")


def _part(totals: Call, calls: int, all_calls: int) -> Call:
    """What the module `profile`, which counts calls by caller but not their time, says of one caller."""
    part = max(calls, 0) / all_calls
    return Call(totals.own * part, totals.whole * part)


class _Graph:
    """Calls without circles, each with its share of all the ways into the function called."""

    def __init__(self, statistics: Statistics) -> None:
        self.totals, self._callers = statistics
        self._callees: dict[Function, list[Function]] = {function: [] for function in self.totals}
        for function in sorted(self._callers):
            for caller in self._callers[function]:
                self._callees[caller].append(function)
        self.at_root = {function: self._outside(function) for function in self.totals}
        self._back: set[tuple[Function, Function]] = set()
        finished = self._search()
        self._ways = {function: self._weight_of_ways(function) for function in self.totals}
        self.below: dict[Function, float] = {}
        for function in finished:
            self.below[function] = sum(
                call.own + share * self.below.get(callee, 0.0) for callee, call, share in self.calls(function)
            )

    def roots(self) -> Iterator[tuple[Function, float]]:
        """Functions called from outside the profile, and the share of their time that is."""
        for function, call in self.at_root.items():
            if call is not None:
                yield function, (call.whole + _LEAST) / self._ways[function]

    def calls(self, function: Function) -> Iterator[tuple[Function, Call, float]]:
        """Whom it calls, the time of these calls, and their share of all ways in; 0 closes a circle."""
        for callee in self._callees[function]:
            call = self._callers[callee][function]
            closes = (function, callee) in self._back
            yield callee, call, 0.0 if closes else (call.whole + _LEAST) / self._ways[callee]

    def _outside(self, function: Function) -> Call | None:
        callers = self._callers[function]
        own = self.totals[function].own - math.fsum(call.own for call in callers.values())
        whole = self.totals[function].whole - math.fsum(call.whole for call in callers.values())
        # Times are sums of many small ones: a rest of a nanosecond is none.
        return Call(max(own, 0.0), max(whole, 0.0)) if not callers or own > 1e-9 else None

    def _weight_of_ways(self, function: Function) -> float:
        weights = [
            call.whole + _LEAST
            for caller, call in self._callers[function].items()
            if (caller, function) not in self._back
        ]
        outside = self.at_root[function]
        return math.fsum(weights) + (outside.whole + _LEAST if outside else 0.0)

    def _search(self) -> list[Function]:
        """Depth first from the roots; calls back into an open function are noted. Callees come out first."""
        state: dict[Function, bool] = {}
        finished: list[Function] = []
        heaviest = sorted(self.totals, key=lambda function: (-self.totals[function].whole, function))
        outside = [function for function in heaviest if self.at_root[function] is not None]
        for start in outside + heaviest:
            if start in state:
                continue
            if self.at_root[start] is None:
                # Nothing outside leads into this circle; it is entered where it is heaviest.
                self.at_root[start] = Call(0.0, self.totals[start].whole)
            self._search_from(start, state, finished)
        return finished

    def _search_from(self, start: Function, state: dict[Function, bool], finished: list[Function]) -> None:
        """`state` is True while a function is open, False when it is finished."""
        state[start] = True
        pending = [(start, iter(self._callees[start]))]
        while pending:
            function, callees = pending[-1]
            for callee in callees:
                if callee not in state:
                    state[callee] = True
                    pending.append((callee, iter(self._callees[callee])))
                    break
                if state[callee]:
                    self._back.add((function, callee))
            else:
                pending.pop()
                state[function] = False
                finished.append(function)


class _Splitter:
    """The tree of one graph. A way's share is which part of its last function's calls came that way."""

    def __init__(self, graph: _Graph) -> None:
        self._graph = graph
        self._tree = TreeBuilder()
        self._guessed = 0
        self._pending: list[tuple[float, int, Function, float]] = []

    def profile(self) -> Profile:
        for function, share in self._graph.roots():
            call = self._graph.at_root[function] or Call(0.0, 0.0)
            self._enter(ROOT, function, call.own, share, guessed=False)
        while self._pending:
            _, node, function, share = heapq.heappop(self._pending)
            if len(self._tree.parent) < MOST_FRAMES:
                for callee, call, part in self._graph.calls(function):
                    self._enter(node, callee, share * call.own, share * part, guessed=share < _WHOLE)
            elif self._graph.below[function] * share > 0:
                self._weigh(self._tree.child(node, _REST), self._graph.below[function] * share)
        frames = len(self._tree.parent) - 1
        metadata = (
            {"guessed": f"{self._guessed:,} of {frames:,} frames, marked _[g]"} if self._guessed else {}
        )
        return self._tree.build("microseconds", metadata)

    def _enter(self, parent: int, function: Function, own: float, share: float, *, guessed: bool) -> None:
        name = _name(function)
        if guessed:
            name += GUESSED
            self._guessed += 1
        node = self._tree.append(parent, name)
        self._weigh(node, own)
        if share:
            heapq.heappush(self._pending, (-share * self._graph.below[function], node, function, share))

    def _weigh(self, node: int, seconds: float) -> None:
        microseconds = round(seconds * 1e6, 3)
        self._tree.add(node, int(microseconds) if microseconds.is_integer() else microseconds)


def _name(function: Function) -> bytes:
    file, line, name = function
    place = frame.Place(
        name.encode("utf-8", "surrogatepass"), file.encode("utf-8", "surrogatepass"), max(line, 0)
    )
    return place.function if file == "~" else frame.join(place)
