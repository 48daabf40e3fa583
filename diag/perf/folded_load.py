"""Folded stacks to measure with: names and depths as a sampler of a Python service writes them.

A new stack leaves an earlier one near its leaf and goes on down a fixed call graph, about two new frames a
stack, as recorded profiles do; counts fall off with the rank of a stack. The same seed gives the same file.
"""

from collections.abc import Iterator
from pathlib import Path
from random import Random

_PACKAGES = [
    "app/api",
    "app/models",
    "app/services",
    "asyncio",
    "httpx",
    "json",
    "logging",
    "pydantic",
    "sqlalchemy/orm",
    "starlette",
]
_MODULES = [
    "base",
    "client",
    "codec",
    "context",
    "loader",
    "main",
    "pool",
    "query",
    "router",
    "session",
    "transport",
    "util",
]
_VERBS = [
    "build",
    "call",
    "check",
    "decode",
    "encode",
    "fetch",
    "flush",
    "get",
    "handle",
    "load",
    "parse",
    "read",
    "render",
    "run",
    "send",
    "write",
]
_NOUNS = [
    "batch",
    "body",
    "event",
    "field",
    "frame",
    "header",
    "index",
    "item",
    "job",
    "key",
    "message",
    "node",
    "page",
    "row",
    "schema",
    "token",
]
_FUNCTIONS = 6000
_CALLEES = 8
_DEEP = (20, 60)


def write(path: Path, stacks: int, seed: int = 1) -> Path:
    """Writes ``stacks`` different stacks, in no order, and returns the path."""
    random = Random(seed)
    lines = [f"{';'.join(stack)} {count}\n" for stack, count in _stacks(stacks, random)]
    random.shuffle(lines)
    path.write_text("".join(lines), encoding="utf-8")
    return path


def _stacks(wanted: int, random: Random) -> Iterator[tuple[tuple[str, ...], int]]:
    names = [_name(random) for _ in range(_FUNCTIONS)]
    callees = [[int(random.random() ** 2 * _FUNCTIONS) for _ in range(_CALLEES)] for _ in names]
    order: list[tuple[int, ...]] = [(0,)]
    seen = set(order)
    while len(order) <= wanted:
        # The early stacks are the busy ones, and are left more often.
        stack = list(order[int(random.random() ** 1.6 * len(order))])
        while len(stack) > 1 and random.random() < 0.62:
            stack.pop()
        target = max(_DEEP[0], min(len(stack) + (1 if random.random() < 0.7 else 4), _DEEP[1]))
        while len(stack) < target:
            stack.append(callees[stack[-1]][int(random.random() ** 2 * _CALLEES)])
        found = tuple(stack)
        if found not in seen:
            seen.add(found)
            order.append(found)
    for rank, found in enumerate(order[1:]):
        count = max(1, int(0.6 * wanted / (rank + 3) ** 1.05 * (0.5 + random.random())))
        yield ("process 4121:python -m app", *(names[frame] for frame in found)), count


def _name(random: Random) -> str:
    pick = random.choice
    return (
        f"{pick(_VERBS)}_{pick(_NOUNS)} ({pick(_PACKAGES)}/{pick(_MODULES)}.py:{random.randrange(1, 1400)})"
    )
