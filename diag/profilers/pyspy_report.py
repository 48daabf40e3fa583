"""Reading of what py-spy writes: folded stacks led by a thread frame, and a report among its messages.

Forms as of py-spy 0.4: ``thread (TID): name;f (file:line);... N`` with ``--threads``, and on standard output
``Samples: N Errors: M`` and ``X.XXs behind in sampling``.
"""

import re
from collections import Counter
from dataclasses import dataclass

_LINE = re.compile(r"(.*) (\d+)")
_THREAD = re.compile(r"thread \((\d+|0[xX][0-9a-fA-F]+)\)(?::? ?)(.*)")
_TOTALS = re.compile(r"Samples: (\d+) Errors: (\d+)")
_BEHIND = re.compile(r"([0-9.]+)s behind in sampling")
_ROOTS = ("<module> ", "_run_module_as_main ", "Thread._bootstrap ", "_bootstrap ")


@dataclass(frozen=True, slots=True)
class Stacks:
    """Weights by stack, with the thread as root frame or without; samples by kernel thread id."""

    by_thread: dict[str, int]
    merged: dict[str, int]
    seen: dict[int, int]
    rootless: int


def read_stacks(raw: str, skip: int) -> Stacks:
    """Take apart what ``record -f raw --threads`` wrote, without thread ``skip``, which only waits for it."""
    by_thread: Counter[str] = Counter()
    merged: Counter[str] = Counter()
    seen: Counter[int] = Counter()
    rootless = 0
    for line in raw.splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        stack, count = match[1], int(match[2])
        head, _, rest = stack.partition(";")
        thread = _THREAD.fullmatch(head)
        if thread is None or not rest or int(thread[1], 0) == skip:
            continue
        seen[int(thread[1], 0)] += count
        by_thread[f"thread {thread[2] or thread[1]};{rest}"] += count
        merged[rest] += count
        if not rest.startswith(_ROOTS):
            rootless += count
    return Stacks(dict(by_thread), dict(merged), dict(seen), rootless)


def read_errors(messages: str) -> int:
    """How many samples py-spy gave up on."""
    found = _TOTALS.search(messages)
    return int(found[2]) if found else 0


def read_behind(messages: str) -> float:
    """By how many seconds it said last that it was late; 0 when it kept up."""
    found = _BEHIND.findall(messages)
    return float(found[-1]) if found else 0.0
