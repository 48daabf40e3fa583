"""One key as a register with a seq: what each operation may be told, and what it leaves behind.

A seq comes from one counter of the whole store, so a key knows of it only what replies showed. The
seq of a write whose answer was lost is open until somebody reads it; it is above all before it.
"""

from typing import NamedTuple

from diag.faults.history import Kind, Operation, Outcome, Seen


class Register(NamedTuple):
    """``value`` None is absent, with seq 0. ``seq`` None is not known yet, but above ``floor``."""

    value: str | None = None
    seq: int | None = 0
    floor: int = 0

    def __str__(self) -> str:
        if self.value is None:
            return "absent"
        return f"{self.value}, seq {f'above {self.floor}' if self.seq is None else self.seq}"


def step(state: Register, operation: Operation) -> Register | None:
    """The register after the operation, None when it cannot have been told this here.

    An unknown write that would change nothing here is None as well: leaving it out says the same.
    """
    if operation.outcome is Outcome.UNKNOWN:
        return _unanswered(state, operation)
    if operation.told:
        shown = _shown(state, operation.found)
        if shown is None or operation.kind is Kind.GET:
            return shown
        state = shown
    if not operation.applied:
        return None if state.seq is not None and state.seq == operation.expected else state
    if operation.expected is not None:
        matched = _with_seq(state, operation.expected)
        if matched is None:
            return None
        state = matched
    return _written(state, operation)


def _unanswered(state: Register, operation: Operation) -> Register | None:
    if operation.expected is not None:
        matched = _with_seq(state, operation.expected)
        if matched is None:
            return None
        state = matched
    if operation.kind is Kind.DELETE:
        return None if state.value is None else _deleted(state)
    return Register(operation.value, None, max(state.floor, state.seq or 0))


def _written(state: Register, operation: Operation) -> Register | None:
    if operation.kind is Kind.DELETE:
        return _deleted(state)
    floor = max(state.floor, state.seq or 0)
    if operation.seq is None:
        return Register(operation.value, None, floor)
    return Register(operation.value, operation.seq, operation.seq) if operation.seq > floor else None


def _deleted(state: Register) -> Register:
    return Register(None, 0, max(state.floor, state.seq or 0))


def _shown(state: Register, found: Seen | None) -> Register | None:
    if found is None:
        return state if state.value is None else None
    return _with_seq(state, found.seq) if state.value == found.value else None


def _with_seq(state: Register, seq: int) -> Register | None:
    """The same register now that its seq is known to be this one."""
    if state.seq is None:
        return Register(state.value, seq, seq) if seq > state.floor else None
    return state if state.seq == seq else None
