"""Regular expressions from users, matched in bounded time.

Python's engine backtracks: `(a+)+$` takes longer than a life on forty letters, holds the interpreter lock and
cannot be interrupted from another thread. So a pattern is matched once for each distinct name, and where:

* A pattern whose cost has a small bound that can be read off its text is matched here. With no group
  repeated, no backward reference, q repetitions and c choices (`|` and `?`), a search in n characters takes
  at most n^(q+1) * 2^c passes over the pattern. A time budget is checked between names.
* Any other pattern is matched by a child process that is killed when its time is over. It costs the start of
  an interpreter, some 20 ms, and does not depend on threads or signals of this one.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from flamegraph.errors import OptionError

LONGEST_PATTERN = 1_000
SECONDS = 5.0
_LONGEST_RESULT = 1 << 16
_STEPS = 10_000_000
_UNBOUNDED = re.compile(r"\)\s*[*+{]|\\[0-9]|\(\?P=|\(\?\(|\(\?[a-zA-Z]*x")

T = TypeVar("T")


def matches(pattern: str, names: Sequence[str], seconds: float = SECONDS) -> list[bool]:
    """For each name, whether the pattern is found anywhere in it.

    Raises OptionError for what is no pattern, is longer than 1,000 characters, or takes more than `seconds`.
    """
    found = _compiled(pattern)
    if _is_cheap(pattern, names):
        return _in_time(pattern, names, lambda name: bool(found.search(name)), seconds)
    answer = _in_child(pattern, None, names, seconds)
    return [name is not None for name in answer]


def replaced(pattern: str, replacement: str, names: Sequence[str], seconds: float = SECONDS) -> list[str]:
    r"""Each name with every match replaced; `\1` or `\g<name>` in the replacement stand for groups.

    Raises OptionError as `matches` does, and when a result is longer than 64 KiB.
    """
    found = _compiled(pattern)
    if len(replacement) > LONGEST_PATTERN:
        raise OptionError(f"The replacement is longer than {LONGEST_PATTERN:,} characters.")
    try:
        found.sub(replacement, "")
        if _is_cheap(pattern, names):
            return _in_time(pattern, names, lambda name: _checked(found.sub(replacement, name)), seconds)
    except (re.error, IndexError) as error:
        raise OptionError(f"The replacement {replacement!r} does not fit the pattern: {error}.") from error
    return [_checked(name or "") for name in _in_child(pattern, replacement, names, seconds)]


def _compiled(pattern: str) -> re.Pattern[str]:
    if len(pattern) > LONGEST_PATTERN:
        raise OptionError(
            f"The pattern has {len(pattern):,} characters; up to {LONGEST_PATTERN:,} are taken."
        )
    try:
        return re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise OptionError(f"{pattern!r} is no regular expression: {error}.") from error


def _is_cheap(pattern: str, names: Sequence[str]) -> bool:
    if _UNBOUNDED.search(pattern):
        return False
    repeats = sum(map(pattern.count, "*+{"))
    choices = sum(map(pattern.count, "|?"))
    longest = max(map(len, names), default=0)
    if repeats > 6 or choices > 20:
        return False
    return bool((max(longest, 1) ** (repeats + 1) << choices) * len(pattern) <= _STEPS)


def _in_time(pattern: str, names: Sequence[str], apply: Callable[[str], T], seconds: float) -> list[T]:
    end = time.monotonic() + seconds
    results: list[T] = []
    for name in names:
        results.append(apply(name))
        if time.monotonic() > end:
            raise _too_slow(pattern, seconds)
    return results


def _in_child(
    pattern: str, replacement: str | None, names: Sequence[str], seconds: float
) -> list[str | None]:
    """For each name its replacement, or with none to make, the name itself where it matches."""
    import json
    import subprocess

    if not sys.executable:
        raise OptionError(f"{pattern!r} could take too long to match, and no Python is at hand to try it in.")
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _CHILD],
            input=json.dumps([pattern, replacement, list(names), _LONGEST_RESULT]).encode(),
            capture_output=True,
            timeout=seconds,
            check=True,
        )
    except subprocess.TimeoutExpired:
        raise _too_slow(pattern, seconds) from None
    except (subprocess.CalledProcessError, OSError) as error:
        raise OptionError(f"{pattern!r} could not be matched: it takes too much memory or time.") from error
    results: list[str | None] = json.loads(done.stdout)
    return results


# Lone surrogates pass through JSON as escapes, both ways.
_CHILD = """
import json, re, sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
except (ImportError, OSError, ValueError):
    pass
pattern, replacement, names, longest = json.load(sys.stdin)
found = re.compile(pattern)
if replacement is None:
    results = [name if found.search(name) else None for name in names]
else:
    results = [found.sub(replacement, name)[:longest + 1] for name in names]
json.dump(results, sys.stdout)
"""


def _checked(name: str) -> str:
    if len(name) > _LONGEST_RESULT:
        raise OptionError(f"The replacement makes names of more than {_LONGEST_RESULT:,} characters.")
    return name


def _too_slow(pattern: str, seconds: float) -> OptionError:
    return OptionError(
        f"Matching {pattern!r} took more than {seconds:g} s and was given up; "
        "avoid repeated groups such as (a+)+ and more than one .* in a pattern."
    )
