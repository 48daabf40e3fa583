"""Histories for the checks: written out by hand, or told by a register that really is atomic."""

import random

from diag.faults.history import Kind, Operation, Outcome, Seen


def put(
    value: str,
    start: int,
    end: int | None,
    seq: int | None = None,
    *,
    expected: int | None = None,
    key: str = "k",
    applied: bool = True,
    found: Seen | None = None,
    told: bool = False,
) -> Operation:
    """A put, unknown without an end."""
    outcome = Outcome.OK if end is not None else Outcome.UNKNOWN
    return Operation(
        *(0, "n1", Kind.PUT, key, start, end, outcome, value, expected, told, found, applied, seq)
    )


def delete(start: int, end: int | None, *, expected: int | None = None, key: str = "k") -> Operation:
    """A delete, unknown without an end."""
    outcome = Outcome.OK if end is not None else Outcome.UNKNOWN
    return Operation(0, "n1", Kind.DELETE, key, start, end, outcome, None, expected)


def get(value: str | None, seq: int, start: int, end: int, key: str = "k") -> Operation:
    """A get that found this; None for absent."""
    found = None if value is None else Seen(value, seq)
    return Operation(1, "n2", Kind.GET, key, start, end, Outcome.OK, told=True, found=found)


def simulated(seed: int, count: int, keys: int = 1, clients: int = 6, lost: float = 0.1) -> list[Operation]:
    """``count`` operations on an atomic store, each with its effect at a random moment of its own.

    A share ``lost`` of the writes has no answer; half of those take effect, perhaps long after.
    """
    source = random.Random(seed)
    free = [0] * clients
    plans = []
    for number in range(count):
        client = min(range(clients), key=free.__getitem__)
        start = free[client] + source.randrange(1, 20)
        end = start + source.randrange(1, 200)
        free[client] = end
        kind = source.choices([Kind.GET, Kind.PUT, Kind.DELETE], [5, 4, 1])[0]
        unknown = kind is not Kind.GET and source.random() < lost
        moment = source.uniform(start, end + (5_000 if unknown else 0))
        plans.append((moment, number, client, kind, f"k{source.randrange(keys)}", start, end, unknown))
    return _played(plans, source)


def _played(
    plans: list[tuple[float, int, int, Kind, str, int, int, bool]], source: random.Random
) -> list[Operation]:
    store: dict[str, Seen] = {}
    known: dict[str, int] = {}
    seq = 0
    operations = []
    for _, number, client, kind, key, start, end, unknown in sorted(plans):
        found = store.get(key)
        conditional = kind is not Kind.GET and source.random() < 0.5
        expected = source.choice([known.get(key, 0), found.seq if found else 0]) if conditional else None
        happens = not unknown or source.random() < 0.5
        applied = expected is None or expected == (found.seq if found else 0)
        given = None
        if kind is not Kind.GET and happens and applied:
            if kind is Kind.PUT:
                seq += 1
                given = seq
                store[key] = Seen(f"v{number}", seq)
            else:
                store.pop(key, None)
        known[key] = found.seq if found else 0
        value = f"v{number}" if kind is Kind.PUT else None
        operations.append(
            Operation(client, "n1", kind, key, start, None, Outcome.UNKNOWN, value, expected)
            if unknown
            else Operation(
                *(
                    client,
                    "n1",
                    kind,
                    key,
                    start,
                    end,
                    Outcome.OK,
                    value,
                    expected,
                    True,
                    found,
                    applied,
                    given,
                )
            )
        )
    return sorted(operations, key=lambda operation: operation.start)
