"""Writing pprof.

`Function.system_name` stays empty: Go's tool "demangles" what stands there, and makes `[mapping]` of
`<module>`. Weights are whole numbers in pprof. Fractions are written in decimal parts of the unit, which the
unit says (`count/1000`; thousandths of a microsecond are nanoseconds): as many digits as it takes to read the
same number back, or as fit into 63 bits.

Samples of which each stands for `period_ns` of time (metadata; `period_type` says of which: cpu, the default,
or wall) are written as that time too, which is what Go's tools show unless they are asked for the counts.

Where the metadata's `labels` names labels (`request,thread`), outermost frames that stand for such a label,
as `request: GET /` does when it was read as a frame, are written as labels of the samples again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from flamegraph import frame
from flamegraph.errors import OutputError
from flamegraph.formats.protobuf import bytes_field, number_field, numbers_field, varint
from flamegraph.profile import ROOT, Profile

_MOST = (1 << 63) - 1
_DIGITS = 18
#: What stands in fields of its own, and not among the comments.
_IN_FIELDS = ("sample_type", "period_ns", "period_type")


def write(profile: Profile, file: BinaryIO) -> None:
    """Writes gzipped pprof; equal profiles give equal bytes. Raises OutputError beyond 63 bits."""
    from gzip import compress

    file.write(compress(b"".join(_file(profile)), mtime=0))


class _Strings:
    """The table of strings; number 0 is the empty one."""

    def __init__(self) -> None:
        self.numbers = {b"": 0}

    def of(self, text: bytes) -> int:
        return self.numbers.setdefault(text, len(self.numbers))


def _file(profile: Profile) -> Iterator[bytes]:
    parts = _parts(profile)
    unit, kind_name = _unit(profile.unit)
    if parts > 1:
        unit = b"%s/%d" % (unit, parts)
    if unit == b"microseconds/1000":
        unit = b"nanoseconds"
    strings = _Strings()
    kind = _value_type(strings, profile.metadata.get("sample_type") or kind_name, unit)
    yield bytes_field(1, kind)
    period = _period(profile, parts)
    time = _value_type(strings, profile.metadata.get("period_type", "cpu"), b"nanoseconds") if period else b""
    if period:
        yield bytes_field(1, time)
    labels = [b"%s: " % _encoded(label) for label in profile.metadata.get("labels", "").split(",") if label]
    used = set() if labels else set(profile.name[ROOT + 1 :])
    yield from _samples(profile, parts, period, strings, labels, used)
    yield from _locations(profile, strings, used)
    comments = [
        strings.of(_encoded(f"{key}: {value}"))
        for key, value in profile.metadata.items()
        if key not in _IN_FIELDS
    ]
    for text in strings.numbers:
        yield bytes_field(6, text)
    if period:
        yield bytes_field(11, time) + number_field(12, period)
    if comments:
        yield numbers_field(13, comments)
    default = profile.metadata.get("period_type", "cpu") if period else None
    yield number_field(14, strings.of(_encoded(default or profile.metadata.get("sample_type") or kind_name)))


def _value_type(strings: _Strings, kind: str, unit: bytes) -> bytes:
    return number_field(1, strings.of(_encoded(kind))) + number_field(2, strings.of(unit))


def _period(profile: Profile, parts: int) -> int:
    """Nanoseconds that a sample stands for; 0 if that is not known, or the times do not fit into 63 bits."""
    told = profile.metadata.get("period_ns", "")
    known = profile.unit == "samples" and parts == 1 and told.isascii() and told.isdecimal()
    period = int(told) if known and len(told) <= _DIGITS else 0
    return period if profile.total * period <= _MOST else 0


def _unit(unit: str) -> tuple[bytes, str]:
    """Unit and type of the values: what counts something is told from the type."""
    if unit == "bytes":
        return b"bytes", "space"
    return (unit.encode(), "time") if unit.endswith("seconds") else (b"count", unit)


def _samples(
    profile: Profile, parts: int, period: int, strings: _Strings, labels: list[bytes], used: set[int]
) -> Iterator[bytes]:
    """The samples; the names that they refer to are added to `used`."""
    locations = [varint(number) for number in range(len(profile.names))]
    for node, weight in enumerate(profile.weights):
        if weight:
            path = [profile.name[at] for at in profile.path(node)]
            stands = b"".join(_labels(profile, path, strings, labels)) if labels else b""
            used.update(path)
            stack = b"".join([locations[name] for name in reversed(path)])
            value = weight * parts if isinstance(weight, int) else round(weight * parts)
            values = [value, value * period] if period else [value]
            yield bytes_field(2, bytes_field(1, stack) + numbers_field(2, values) + stands)


def _labels(profile: Profile, path: list[int], strings: _Strings, labels: list[bytes]) -> Iterator[bytes]:
    """The labels that the outermost frames of a path stand for; they are taken off it."""
    while path:
        name = profile.names[path[0]]
        label = next((label for label in labels if name.startswith(label)), None)
        if label is None:
            return
        del path[0]
        key, value = strings.of(label[:-2]), strings.of(name[len(label) :])
        yield bytes_field(3, number_field(1, key) + number_field(2, value))


def _locations(profile: Profile, strings: _Strings, used: set[int]) -> Iterator[bytes]:
    """One location a name, and one function for all lines of it."""
    functions: dict[tuple[bytes, bytes], int] = {}
    for number in sorted(used):
        name, file, line = frame.split(profile.names[number])
        function = functions.setdefault((name, file), len(functions) + 1)
        yield bytes_field(
            4, number_field(1, number) + bytes_field(4, number_field(1, function) + number_field(2, line))
        )
    for (name, file), function in functions.items():
        yield bytes_field(
            5,
            number_field(1, function) + number_field(2, strings.of(name)) + number_field(4, strings.of(file)),
        )


def _parts(profile: Profile) -> int:
    """By how much weights are multiplied to be whole: a power of ten."""
    if profile.total > _MOST:
        raise OutputError(f"The profile weighs {profile.total:,}; pprof holds at most {_MOST:,}.")
    parts = 1
    if profile.fractional:
        fractions = [weight for weight in profile.weights if not float(weight).is_integer()]
        while any(round(weight * parts) / parts != weight for weight in fractions):
            if parts == 10**_DIGITS or profile.total * parts * 10 > _MOST:
                break
            parts *= 10
    return parts


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
