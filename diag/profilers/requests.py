"""What a caller may ask of a profiler, and the sentence it gets for asking anything else."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final, Self

from diag.errors import InvalidRequest

SECONDS: Final = (0.1, 300.0)
FREQUENCY: Final = (1, 1000)
CPU_MODES: Final = ("cpu", "gil", "wall")
CPU_BY: Final = ("stack", "request")
CPU_ENGINES: Final = ("auto", "py-spy", "inprocess")
HEAP_MODES: Final = ("peak", "leaks", "temporary", "allocations")
TRACE_RENDERERS: Final = ("flamegraph", "flameprof")
# Python reads more as a number than a person who mistyped one means: "1_0", other scripts' digits, spaces.
_NUMERAL: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?", re.ASCII)
_YES: Final = ("1", "true", "yes", "on")
_NO: Final = ("0", "false", "no", "off")


class _Request:
    """Reading of query-string values, by the type of each field's default."""

    @classmethod
    def parse(cls, params: Mapping[str, str]) -> Self:
        """A request from text values; every key must be a field. Raises InvalidRequest."""
        # What has no default is a number that the profiler chooses.
        known = {
            field.name: int if field.default is None else type(field.default)
            for field in fields(cls)  # type: ignore[arg-type]
        }
        values: dict[str, object] = {}
        for name, text in params.items():
            if name not in known:
                raise InvalidRequest(
                    f"The parameter {name!r} is not known here; this profile takes {', '.join(known)}."
                )
            values[name] = _convert(name, text, known[name])
        return cls(**values)


def _convert(name: str, text: str, kind: type) -> object:
    if kind is bool:
        return _boolean(name, text)
    if kind is str:
        return text
    try:
        if not _NUMERAL.fullmatch(text):
            raise ValueError(text)
        return kind(text)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        low, high = FREQUENCY if kind is int else SECONDS
        raise InvalidRequest(
            f"The parameter {name} is {text!r}; it must be {what} from {low:g} to {high:g}."
        ) from None


def _boolean(name: str, text: str) -> bool:
    if text.lower() in _YES:
        return True
    if text.lower() in _NO:
        return False
    raise InvalidRequest(f"The parameter {name} is {text!r}; it must be true or false.")


def _within(name: str, value: float, bounds: tuple[float, float], unit: str) -> None:
    if not math.isfinite(value) or not bounds[0] <= value <= bounds[1]:
        raise InvalidRequest(
            f"The parameter {name} is {value}; it must be from {bounds[0]:g} to {bounds[1]:g} {unit}."
        )


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InvalidRequest(f"The parameter {name} is {value!r}; it must be one of {', '.join(choices)}.")


@dataclass(frozen=True, slots=True)
class CpuRequest(_Request):
    """A CPU or wall-clock profile. Seconds 0.1..300, frequency 1..1000 Hz or as the process bears it."""

    seconds: float = 5.0
    frequency: int | None = None
    mode: str = "cpu"
    engine: str = "auto"
    native: bool = False
    by: str = "stack"

    def __post_init__(self) -> None:
        _within("seconds", self.seconds, SECONDS, "seconds")
        if self.frequency is not None:
            _within("frequency", self.frequency, FREQUENCY, "samples a second")
        _one_of("mode", self.mode, CPU_MODES)
        _one_of("engine", self.engine, CPU_ENGINES)
        _one_of("by", self.by, CPU_BY)
        if self.by == "request" and (self.engine == "py-spy" or self.native or self.mode == "gil"):
            raise InvalidRequest(
                "by=request needs engine=inprocess, without native=true and mode=gil; "
                "py-spy does not see which request is served."
            )
        if self.engine == "inprocess" and self.native:
            raise InvalidRequest(
                "native=true needs engine=py-spy; the in-process sampler sees Python frames only."
            )
        if self.engine == "inprocess" and self.mode == "gil":
            raise InvalidRequest(
                "mode=gil needs engine=py-spy; the in-process sampler cannot see who holds the lock."
            )


@dataclass(frozen=True, slots=True)
class HeapRequest(_Request):
    """A memory profile of what is allocated during 0.1..300 seconds.

    ``small_objects`` also follows Python's own allocator, for objects of up to 512 bytes, at about twice
    the cost.
    """

    seconds: float = 10.0
    mode: str = "peak"
    small_objects: bool = False

    def __post_init__(self) -> None:
        _within("seconds", self.seconds, SECONDS, "seconds")
        _one_of("mode", self.mode, HEAP_MODES)


@dataclass(frozen=True, slots=True)
class TraceRequest(_Request):
    """Every call of the event loop's thread for 0.1..300 seconds; at twice the CPU, so keep it under 30."""

    seconds: float = 5.0
    renderer: str = "flamegraph"

    def __post_init__(self) -> None:
        _within("seconds", self.seconds, SECONDS, "seconds")
        _one_of("renderer", self.renderer, TRACE_RENDERERS)
