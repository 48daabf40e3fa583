"""Is there one order of all operations that explains every answer, with each between its begin and its end?

The search is that of Wing and Gong, one key at a time, with Lowe's memory: a set of placed operations
that led to the same register before is not tried again. An operation whose outcome is unknown has
no end: it may be placed anywhere after its begin, or nowhere.

Two things keep it short. An answer that shows the register as it is and leaves it so is placed at
once, since placing it later can only be harder. An unknown write whose value no reply ever showed is left
out: whatever came after it would be told the same without it.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from diag.faults.history import Kind, Operation, Outcome
from diag.faults.register import Register, step

_STEPS_BETWEEN_LOOKS_AT_THE_CLOCK = 2048
_SHOWN = 12


class Verdict(StrEnum):
    """The answer of a check; undecided when its time was up."""

    OK = "ok"
    VIOLATION = "violation"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Answer:
    """``text`` explains a violation, or says what was left undecided; empty when all is well."""

    verdict: Verdict
    text: str = ""


def check(operations: Iterable[Operation], seconds: float = 30.0) -> Answer:
    """Check every key, within ``seconds`` in all. A violation on any key wins over an undecided one."""
    deadline = time.monotonic() + seconds
    keys: dict[str, list[Operation]] = defaultdict(list)
    for operation in operations:
        keys[operation.key].append(operation)
    undecided = []
    for key, ours in keys.items():
        search = _Search(_relevant(ours), deadline)
        verdict = search.run()
        if verdict is Verdict.VIOLATION:
            return Answer(verdict, _explain(key, ours, deadline))
        if verdict is Verdict.UNDECIDED:
            undecided.append(key)
    if undecided:
        return Answer(Verdict.UNDECIDED, f"not decided within {seconds:g} s: {', '.join(undecided[:_SHOWN])}")
    return Answer(Verdict.OK)


def check_seqs(operations: Iterable[Operation]) -> Answer:
    """Over all keys: no seq is given twice, and a write that began after another ended has the higher one."""
    puts = [each for each in operations if each.seq is not None and each.end is not None]
    by_end = sorted(puts, key=lambda put: put.end or 0)
    given: dict[int, Operation] = {}
    latest: Operation | None = None
    ended = 0
    for put in sorted(puts, key=lambda put: put.start):
        seq = put.seq or 0
        if seq in given:
            return Answer(Verdict.VIOLATION, f"seq {seq} was given twice:\n  {given[seq]}\n  {put}")
        given[seq] = put
        while (by_end[ended].end or 0) < put.start:
            if latest is None or (by_end[ended].seq or 0) > (latest.seq or 0):
                latest = by_end[ended]
            ended += 1
        if latest is not None and (latest.seq or 0) > seq:
            return Answer(
                Verdict.VIOLATION,
                f"the seq went back:\n  {latest}\n  then, begun after that had ended: {put}",
            )
    return Answer(Verdict.OK)


class _Event:
    """The begin or the end of an operation, in a list that placed operations are taken out of."""

    __slots__ = ("after", "before", "end", "index")

    def __init__(self, index: int, end: "_Event | None") -> None:
        self.index = index
        self.end = end  # None on an end, and on the begin of an unknown operation
        self.before: _Event | None = None
        self.after: _Event | None = None


class _Search:
    def __init__(self, operations: Sequence[Operation], deadline: float) -> None:
        self._operations = operations
        self._deadline = deadline
        self._left = sum(operation.end is not None for operation in operations)
        self._head = _linked(operations)
        #: Placed begins, each with the register and the set of placed operations before it.
        self._placed: list[tuple[_Event, Register, int]] = []
        self._ends = frozenset(event.end for event in _events_of(self._head) if event.end is not None)

    def run(self) -> Verdict:
        state, placed, seen = Register(), 0, set[tuple[int, Register]]()
        event = self._head.after
        steps = 0
        while self._left:
            steps += 1
            if steps % _STEPS_BETWEEN_LOOKS_AT_THE_CLOCK == 0 and time.monotonic() > self._deadline:
                return Verdict.UNDECIDED
            if event is None or event in self._ends:
                # What has ended must be placed before this point, and was not: take the last choice back.
                undone = self._take_back()
                if undone is None:
                    return Verdict.VIOLATION
                event, state, placed = undone
                continue
            follows = step(state, self._operations[event.index])
            if follows is not None:
                now = placed | 1 << event.index
                if (now, follows) not in seen:
                    seen.add((now, follows))
                    self._place(event, state, placed)
                    state, placed, event = follows, now, self._head.after
                    continue
            event = event.after
        return Verdict.OK

    def _place(self, event: _Event, state: Register, placed: int) -> None:
        self._placed.append((event, state, placed))
        _take_out(event)
        if event.end is not None:
            _take_out(event.end)
            self._left -= 1

    def _take_back(self) -> tuple[_Event | None, Register, int] | None:
        """Undo choices up to one that had an alternative: where to go on, the register and the placed set."""
        while self._placed:
            event, state, placed = self._placed.pop()
            if event.end is not None:
                _put_back(event.end)
                self._left += 1
            _put_back(event)
            operation = self._operations[event.index]
            if operation.outcome is Outcome.OK and step(state, operation) == state:
                continue  # it changed nothing, so nothing else in its place could do better
            return event.after, state, placed
        return None


def _linked(operations: Sequence[Operation]) -> _Event:
    """The events in order of time behind a head; where times are equal, begins come first."""
    timed: list[tuple[int, int, int, _Event]] = []
    for index, operation in enumerate(operations):
        end = None if operation.end is None else _Event(index, None)
        timed.append((operation.start, 0, index, _Event(index, end)))
        if end is not None and operation.end is not None:
            timed.append((operation.end, 1, index, end))
    head = last = _Event(-1, None)
    for *_, event in sorted(timed, key=lambda entry: entry[:3]):
        last.after, event.before = event, last
        last = event
    return head


def _events_of(head: _Event) -> list[_Event]:
    events, event = [], head.after
    while event is not None:
        events.append(event)
        event = event.after
    return events


def _take_out(event: _Event) -> None:
    if event.before is not None:
        event.before.after = event.after
    if event.after is not None:
        event.after.before = event.before


def _put_back(event: _Event) -> None:
    if event.before is not None:
        event.before.after = event
    if event.after is not None:
        event.after.before = event


def _relevant(operations: Iterable[Operation]) -> list[Operation]:
    """Without failures, reads that told nothing, and unknown writes nobody can have seen."""
    kept = [
        operation
        for operation in operations
        if operation.outcome is not Outcome.FAIL
        and not (operation.kind is Kind.GET and operation.outcome is not Outcome.OK)
    ]
    if _hints_at_unseen(kept):
        return kept
    shown = {each.found.value for each in kept if each.found is not None}
    return [
        operation
        for operation in kept
        if operation.outcome is Outcome.OK or operation.kind is Kind.DELETE or operation.value in shown
    ]


def _hints_at_unseen(operations: Sequence[Operation]) -> bool:
    """Whether an operation may tell of a record no reply showed: by a bare refusal, or by its seq."""
    seqs = {0} | {each.found.seq for each in operations if each.found is not None}
    seqs |= {each.seq for each in operations if each.seq is not None}
    return any(
        not each.told and (not each.applied or (each.expected is not None and each.expected not in seqs))
        for each in operations
    )


def _explain(key: str, operations: Sequence[Operation], deadline: float) -> str:
    """The shortest beginning of the history that nothing explains, told by the answer that ends it."""
    ends = sorted(operation.end for operation in operations if operation.end is not None)
    low, high = 0, len(ends) - 1
    while low < high:
        middle = (low + high) // 2
        verdict = _Search(_relevant(_until(operations, ends[middle])), deadline).run()
        if verdict is Verdict.VIOLATION:
            high = middle
        else:
            low = middle + 1
    beginning = _until(operations, ends[high])
    culprit = next(operation for operation in beginning if operation.end == ends[high])
    context = _context(beginning, culprit)
    lines = "\n".join(f"  {_span(operation, culprit)} {operation}" for operation in context)
    return (
        f"key {key}: no order explains this answer:\n  {culprit}\n"
        f"the last operations before and beside it (ms before its end):\n{lines}"
    )


def _until(operations: Sequence[Operation], moment: int) -> list[Operation]:
    """What was known at ``moment``: what had not ended by then counts as unknown."""
    return [
        operation
        if operation.end is None or operation.end <= moment
        else replace(operation, end=None, outcome=Outcome.UNKNOWN, told=False, found=None, seq=None)
        for operation in operations
        if operation.start <= moment
    ]


def _context(operations: Sequence[Operation], culprit: Operation) -> list[Operation]:
    """The last operations by their ends, without those that had no effect."""
    others = [each for each in operations if each is not culprit and each.outcome is not Outcome.FAIL]
    others = [each for each in others if each.kind is not Kind.GET or each.outcome is Outcome.OK]
    return sorted(others, key=lambda each: each.end or each.start)[-_SHOWN:]


def _span(operation: Operation, culprit: Operation) -> str:
    zero = culprit.end or 0
    start = (operation.start - zero) / 1e6
    end = "..." if operation.end is None else f"{(operation.end - zero) / 1e6:.3f}"
    return f"[{start:.3f} .. {end}]"
