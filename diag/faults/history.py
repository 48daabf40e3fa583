"""What clients asked of one key and what they were told, with the times that a check of the order needs."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO


class Kind(StrEnum):
    """What an operation does to its key. A put or a delete with ``expected`` is a compare-and-set by seq."""

    GET = "get"
    PUT = "put"
    DELETE = "delete"


class Outcome(StrEnum):
    """What the client knows: answered, certainly without effect, or nothing."""

    OK = "ok"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Seen:
    """A record as a reply showed it."""

    value: str
    seq: int


@dataclass(frozen=True, slots=True)
class Operation:
    """One call. Times are of the monotonic clock, in nanoseconds; ``end`` is None for an unknown outcome.

    ``told`` says whether the reply showed the record in place: what a get found, or what a write
    replaced or was refused by; ``found`` is that record, None for absent. ``applied`` is false for a
    compare-and-set that was refused. ``seq`` is the one a put was given.
    """

    client: int
    node: str
    kind: Kind
    key: str
    start: int
    end: int | None
    outcome: Outcome
    value: str | None = None
    expected: int | None = None
    told: bool = False
    found: Seen | None = None
    applied: bool = True
    seq: int | None = None
    why: str = ""

    def __str__(self) -> str:
        condition = "" if self.expected is None else f" if seq {self.expected}"
        asked = f"{self.kind} {self.key}{'' if self.value is None else f'={self.value}'}{condition}"
        return f"client {self.client} via {self.node or '?'}: {asked} -> {self._answer()}"

    def _answer(self) -> str:
        if self.outcome is not Outcome.OK:
            return f"{self.outcome} {self.why}".strip()
        parts = [] if self.applied else ["refused"]
        if self.told:
            parts.append(f"found {self.found.value} seq {self.found.seq}" if self.found else "found nothing")
        if self.seq is not None:
            parts.append(f"written as seq {self.seq}")
        return ", ".join(parts) or "done"


class Pending:
    """An operation that was begun; exactly one of ``ok``, ``fail`` and ``unknown`` ends it."""

    def __init__(self, history: "History", number: int, begun: Operation) -> None:
        self._history = history
        self._number = number
        self.begun = begun

    def ok(
        self, *, told: bool = False, found: Seen | None = None, applied: bool = True, seq: int | None = None
    ) -> None:
        """It was answered."""
        self._end(Outcome.OK, told=told, found=found, applied=applied, seq=seq)

    def fail(self, why: str) -> None:
        """It had no effect and will have none."""
        self._end(Outcome.FAIL, why=why)

    def unknown(self, why: str) -> None:
        """It may have taken effect, may do so later, or never."""
        self._end(Outcome.UNKNOWN, why=why)

    def _end(
        self,
        outcome: Outcome,
        told: bool = False,
        found: Seen | None = None,
        applied: bool = True,
        seq: int | None = None,
        why: str = "",
    ) -> None:
        begun = self.begun
        end = None if outcome is Outcome.UNKNOWN else self._history.now()
        self._history.end(
            self._number,
            Operation(
                *(begun.client, begun.node, begun.kind, begun.key, begun.start, end, outcome),
                *(begun.value, begun.expected, told, found, applied, seq, why),
            ),
        )


class History:
    """Operations in memory, and as JSON lines in ``path`` when given: one for a begin, one for an end.

    For one event loop or thread. What has not ended when ``operations`` is asked counts as unknown.
    """

    def __init__(self, path: Path | None = None, now: Callable[[], int] = time.monotonic_ns) -> None:
        self.now = now
        self._file: TextIO | None = None if path is None else path.open("w", encoding="utf-8")
        self._begun = 0
        self._ended: list[Operation] = []
        self._open: dict[int, Operation] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the operations stay in memory."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def begin(
        self,
        client: int,
        node: str,
        kind: Kind,
        key: str,
        *,
        value: str | None = None,
        expected: int | None = None,
    ) -> Pending:
        """Record that a client is about to ask."""
        begun = Operation(client, node, kind, key, self.now(), None, Outcome.UNKNOWN, value, expected)
        number, self._begun = self._begun, self._begun + 1
        self._open[number] = begun
        self._write({"event": "begin", "number": number, **_fields(begun)})
        return Pending(self, number, begun)

    def end(self, number: int, operation: Operation) -> None:
        """Record how operation ``number`` ended; ``Pending`` calls this."""
        del self._open[number]
        self._ended.append(operation)
        self._write({"event": "end", "number": number, **_fields(operation)})

    def operations(self) -> Sequence[Operation]:
        """All operations in the order they were begun."""
        return sorted([*self._ended, *self._open.values()], key=lambda operation: operation.start)

    def _write(self, line: dict[str, object]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(line) + "\n")


def read_history(lines: Iterable[str]) -> list[Operation]:
    """The operations of a file, also of one whose writer was killed; a begin without an end is unknown."""
    operations: dict[int, Operation] = {}
    for line in lines:
        if not line.endswith("\n"):
            break  # cut off in the middle of a write
        fields = json.loads(line)
        del fields["event"]
        number = fields.pop("number")
        found = fields.pop("found")
        operations[number] = Operation(
            **fields
            | {
                "kind": Kind(fields["kind"]),
                "outcome": Outcome(fields["outcome"]),
                "found": None if found is None else Seen(**found),
            }
        )
    return sorted(operations.values(), key=lambda operation: operation.start)


def _fields(operation: Operation) -> dict[str, object]:
    return asdict(operation)
