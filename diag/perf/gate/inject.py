"""A slowdown on purpose: ``DIAG_PERF_INJECT=diag.kv.apply.apply:0.05`` makes one function cost 5 % more CPU.

The 5 % are of all CPU time that the process uses while the function is in use: a workload that calls it once
a request costs 5 % more a request, which is what the gate measures. They are no share of the function's own
cost, which may be a hundredth of a request's. They are burnt after each call of the function and under its
name, so that profilers find them where a slower function would have them. What is burnt follows from what the
process has used since the last call, with the remainder carried on and the cost of looking counted in, as it
is between other work: a fixed spin would miss the share asked for.

Only a measured child reads the variable; the service never does. This file needs no other of its package, so
that it can slow down a version of the service from before it.
"""

import functools
import inspect
import math
import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from statistics import quantiles
from types import FunctionType, ModuleType
from typing import Any, Final, NamedTuple

from diag.errors import ConfigError

VARIABLE = "DIAG_PERF_INJECT"
#: What a slowed call takes by itself, as whoever starts the process has measured it.
_COSTS: Final = "DIAG_PERF_INJECT_COSTS"
_LEAST, _MOST = 0.001, 10.0
#: After more CPU time a call nothing is burnt: the process did something else meanwhile.
_ELSE_NS = 20_000_000
_MOST_STRIDE = 256
#: What is burnt at once is so many times what it costs to find out how much, at least.
_WORTH = 10
_CALIBRATION_CALLS = 300
_ROWS, _ROW = 10, 5_000
#: What a slowed call costs the process, in times of what it costs by itself: it takes caches from the rest.
#: Measured with puts and transactions: with 1 here 5 % cost 6.2 % and 10 % cost 11.2 %, with 3 they cost
#: 4.3 % and 8.8 %.
_DISTURBS = 2
#: What is read between two calls to be timed, so that caches are as cold as between two requests.
_EVICTING = 1 << 22

Clock = Callable[[], int]


class Costs(NamedTuple):
    """Nanoseconds that a slowed call takes by itself: one that only counts, one that looks at the clocks.

    ``unseen`` is the part of the latter before and after it looks.
    """

    counting: float
    looking: float
    unseen: float


FREE: Final = Costs(0.0, 0.0, 0.0)


def environment(wanted: str) -> dict[str, str]:
    """Variables for a child that is to be slowed down so; empty where ``wanted`` is.

    Costs are measured here, for in the child that would be a part of its boot, and of its memory.
    """
    return {VARIABLE: wanted, _COSTS: " ".join(map(str, own_costs()))} if wanted else {}


def from_environment() -> None:
    """Slow down the function that the variable names, if it is set. Call it before the service is imported.

    Raises ConfigError for what is not ``module.function:share``.
    """
    wanted = os.environ.get(VARIABLE)
    if wanted:
        measured = os.environ.get(_COSTS)
        slow_down(*parse(wanted), Costs(*map(float, measured.split())) if measured else own_costs())


def parse(wanted: str) -> tuple[str, float]:
    """The dotted name of the function, and the share: 0.05 is 5 %. Raises ConfigError."""
    name, colon, number = wanted.rpartition(":")
    try:
        share = float(number)
    except ValueError:
        share = 0.0
    if not colon or not name or not _LEAST <= share <= _MOST:
        raise ConfigError(
            f"{VARIABLE} is {wanted!r}; it must be module.function:share with a share of {_LEAST:g} to "
            f"{_MOST:g}, as in diag.kv.apply.apply:0.05 for 5 %."
        )
    return name, share


def slow_down(name: str, share: float, costs: Costs) -> None:
    """Replace the function of this dotted name, wherever it was imported to. Raises ConfigError.

    Functions, coroutines and methods can be slowed down; generators cannot: their work is not in the call.
    """
    owner, attribute = _owner(name)
    held = inspect.getattr_static(owner, attribute, None)
    function = held.__func__ if isinstance(held, staticmethod | classmethod) else held
    if not isinstance(function, FunctionType):
        raise ConfigError(f"{VARIABLE}: {name} is no function of Python code; name one.")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError(f"{VARIABLE}: {name} is a generator; name a function or a coroutine.")
    slowed = slower(function, share, costs)
    setattr(owner, attribute, type(held)(slowed) if isinstance(held, staticmethod | classmethod) else slowed)
    for module in list(sys.modules.values()):
        for alias in [key for key, value in vars(module).items() if value is function]:
            setattr(module, alias, slowed)


def slower(
    function: Callable[..., Any],
    share: float,
    costs: Costs = FREE,
    used: Clock = time.process_time_ns,
    used_here: Clock = time.thread_time_ns,
) -> Callable[..., Any]:
    """The function, burning ``share`` of the process's other CPU time after its calls.

    ``used`` and ``used_here`` are the CPU time of the process and of the thread, in nanoseconds.
    """
    least = _WORTH * costs.looking
    work = 0
    burnt = debt = 0.0
    stride = left = 1

    def burn() -> None:
        nonlocal work, burnt, debt, stride, left
        left -= 1
        if left > 0:
            return
        begun = used_here()
        now = used() - int(burnt)
        since = now - work if now - work <= _ELSE_NS * stride else 0
        work = now
        owed = debt + share * since
        debt = 0.0  # another thread that comes meanwhile does not burn it again
        unseen = costs.unseen + costs.counting * (stride - 1)
        # Where calls follow closely, looking at every one would cost more than is asked for.
        if since and share * since < least:
            stride = min(2 * stride, _MOST_STRIDE)
        elif share * since > 4 * least:
            stride = max(1, stride // 2)
        left = stride
        spent = used_here() - begun + unseen
        while spent < owed:
            spent = used_here() - begun + unseen
        debt += owed - spent
        burnt += spent

    burn = _renamed(burn, function)
    if inspect.iscoroutinefunction(function):

        async def wait(*args: Any, **kwargs: Any) -> Any:
            result = await function(*args, **kwargs)
            burn()
            return result

        return functools.wraps(function)(_renamed(wait, function))

    def call(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        burn()
        return result

    return functools.wraps(function)(_renamed(call, function))


def own_costs() -> Costs:
    """What a call through ``slower`` takes on this machine."""

    def nothing() -> None:
        """Cost nothing but the call."""

    # Nothing is worth a look to it, and it comes to look rarely.
    counts = slower(nothing, 0.0, Costs(0.0, math.inf, 0.0))
    counting = max(0.0, _in_a_row(counts) - _in_a_row(nothing))
    looking = _apart(slower(nothing, 0.0)) - _apart(nothing) + (_DISTURBS - 1) * counting
    seen = _apart(time.process_time_ns)
    return Costs(_DISTURBS * counting, looking, max(0.0, looking - seen))


def _in_a_row(function: Callable[[], object]) -> float:
    """Nanoseconds of CPU that a call takes among its like.

    Counting is too little to be seen beside other work: there it came out as anything from 0 to 12 us.
    """
    found = []
    for _ in range(_ROWS):
        begun = time.thread_time_ns()
        for _ in range(_ROW):
            function()
        found.append((time.thread_time_ns() - begun) / _ROW)
    return min(found)


def _apart(function: Callable[[], object]) -> float:
    """Nanoseconds of CPU of a call between other work, and of the look at the clock around it.

    The lower quartile: what else the machine does meanwhile makes medians of the same call 7 and 22 us.
    """
    other = bytes(_EVICTING)
    found = []
    for _ in range(_CALIBRATION_CALLS):
        other.count(1)
        begun = time.thread_time_ns()
        function()
        found.append(time.thread_time_ns() - begun)
    return quantiles(found, n=4)[0]


def _renamed(function: Callable[..., Any], model: Callable[..., Any]) -> Any:
    """The function under the model's name and place, as profilers see it."""
    assert isinstance(function, FunctionType)
    assert isinstance(model, FunctionType)
    code = model.__code__
    function.__code__ = function.__code__.replace(
        co_name=code.co_name,
        co_qualname=code.co_qualname,
        co_filename=code.co_filename,
        co_firstlineno=code.co_firstlineno,
    )
    return function


def _owner(name: str) -> tuple[ModuleType | type, str]:
    """The module or class that has the function, and the function's name in it."""
    *path, attribute = name.split(".")
    for count in range(len(path), 0, -1):
        module = ".".join(path[:count])
        try:
            owner: Any = import_module(module)
        except ModuleNotFoundError as error:
            if error.name and not f"{module}.".startswith(f"{error.name}."):
                raise
            continue
        for part in path[count:]:
            owner = getattr(owner, part, None)
        if owner is not None:
            return owner, attribute
    raise ConfigError(f"{VARIABLE}: there is no module or class {'.'.join(path) or name!r} to be imported.")
