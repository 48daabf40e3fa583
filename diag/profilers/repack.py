"""Profiles into gzipped pprof and out of it, here or in a process of its own.

As a program, ``python -m diag.profilers.repack pack|unpack|take ARGUMENT``, it reads a profile from standard
input. What somebody sent is read in such a process alone, whose memory is bounded: a few kilobytes of gzip
can stand for gigabytes.
"""

import io
import json
import math
import resource
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from diag.profilers.labels import LABELS

if TYPE_CHECKING:
    from flamegraph.profile import Profile

#: Up to this many bytes a worker thread repacks in less time than a child takes to start.
IN_PROCESS_BYTES: Final = 64_000
#: The same of gzipped pprof, which is several times as dense.
IN_PROCESS_PACKED: Final = 20_000
#: The weights that were taken stand first; times that were reckoned from them may follow.
KEPT: Final = 0
#: What profilers call the samples that they counted, beside the times that these stand for.
_COUNTS: Final = "samples"
_LONGEST_MODE: Final = 60
_CHILD_MEMORY: Final = 4 << 30


class Facts(NamedTuple):
    """What a profile that was brought says of itself.

    ``mode`` is that of the profiler, or what the weights were called; ``seconds`` and ``rate`` (Hz) are None
    where it does not tell; ``labels`` stand on its samples. Of ``lines`` of text, ``invalid`` were left out,
    of which ``invalid_numbers`` are the first.
    """

    unit: str
    samples: int
    mode: str
    seconds: float | None = None
    rate: float | None = None
    labels: tuple[str, ...] = ()
    lines: int = 0
    invalid: int = 0
    invalid_numbers: str = ""


def packed(folded: bytes, unit: str, metadata: Mapping[str, str]) -> bytes:
    """Folded stacks as gzipped pprof."""
    from flamegraph.formats import write
    from flamegraph.formats.folded import read_folded

    profile = read_folded(io.BytesIO(folded), unit)
    profile.metadata.update(metadata)
    file = io.BytesIO()
    write(profile, file, "pprof")
    return file.getvalue()


def unpacked(data: bytes, label: str = "") -> bytes:
    """The folded stacks of gzipped pprof, under a frame for the label of each sample where one is named."""
    from flamegraph.formats import read, write

    file = io.BytesIO()
    write(read(io.BytesIO(data), format="pprof", labels=label or None, sample_type=KEPT), file, "folded")
    return file.getvalue()


def taken(data: bytes, unit: str | None) -> tuple[Facts, bytes]:
    """A profile of any format that flamegraph reads, as gzipped pprof. Raises FlamegraphError.

    ``unit`` is what the weights are where the format does not say so itself.
    """
    from flamegraph.diff import sample_count
    from flamegraph.formats import write
    from flamegraph.units import check_unit

    if unit is not None:
        check_unit(unit)
    profile, labels = _read(data, unit)
    file = io.BytesIO()
    write(profile, file, "pprof")
    content = file.getvalue()
    kept = _read_again(content)
    told = kept.metadata
    lines, invalid = _lines(data, profile)
    period = _positive(told.get("period_ns"))
    facts = Facts(
        unit=kept.unit,
        samples=int(sample_count(profile) or 0),
        mode=_mode(told),
        seconds=_positive(told.get("seconds")),
        rate=period and round(1e9 / period, 3),
        labels=labels,
        lines=lines,
        invalid=invalid,
        invalid_numbers=profile.metadata["invalid_line_numbers"] if invalid else "",
    )
    return facts, content


def _read(data: bytes, unit: str | None) -> tuple["Profile", tuple[str, ...]]:
    """A profile of any format, and which of our labels its samples have."""
    from flamegraph.errors import OptionError
    from flamegraph.formats import read

    try:
        profile = read(io.BytesIO(data), sample_type=_COUNTS)
    except OptionError:
        try:
            return read(io.BytesIO(data), unit=unit), ()
        except OptionError:
            return read(io.BytesIO(data)), ()  # the format says its unit itself
    # Counts that each stand for a time are those of a profiler that samples: the times are reckoned.
    counted = _COUNTS if "period_ns" in profile.metadata else None
    told = profile.metadata.get("labels", "").split(",")
    labels = tuple(label for label in LABELS if label in told)
    if counted is None or labels:
        profile = read(io.BytesIO(data), sample_type=counted, labels=labels or None)
    return profile, labels


def _read_again(content: bytes) -> "Profile":
    """As it will be read whenever it is asked for: pprof has fewer units of time than other formats."""
    from flamegraph.errors import InputError
    from flamegraph.formats import read
    from flamegraph.formats.source import MOST_AT_ONCE

    try:
        return read(io.BytesIO(content), format="pprof", sample_type=KEPT)
    except InputError:
        raise InputError(
            f"The profile is too large to be kept: as pprof it takes more than {MOST_AT_ONCE >> 20} MiB. "
            "Leave its rarest stacks out, or draw it with `flamegraph render`, which reads it line by line."
        ) from None


def _lines(data: bytes, profile: "Profile") -> tuple[int, int]:
    """How many lines a text has that are not blank, and how many of them are no stacks; 0, 0 if all are.

    Raises InputError where most are none: such a text is something else.
    """
    from flamegraph.errors import InputError
    from flamegraph.formats.lines import read_lines
    from flamegraph.formats.source import opened

    with opened(io.BytesIO(data)) as (head, stream):
        if "invalid_lines" not in profile.metadata or not _is_text(head):
            return 0, 0
        lines = sum(1 for line in read_lines(stream) if line.strip())
    invalid = int(profile.metadata["invalid_lines"])
    if 2 * invalid > lines:
        raise InputError(
            f"The text is no profile: {invalid:,} of its {lines:,} lines are no stack and count, such as "
            f"`main;work 12` (the first are {profile.metadata['invalid_line_numbers']})."
        )
    return lines, invalid


def _is_text(head: bytes) -> bool:
    """Whether it is of a format of lines; others only repeat what was left out elsewhere."""
    from flamegraph.formats import by_name

    return not any(by_name(name).sniff(head) for name in ("memray", "pprof", "speedscope", "pstats"))


def _mode(told: Mapping[str, str]) -> str:
    mode = told.get("mode", "")
    if mode and len(mode) <= _LONGEST_MODE and mode.isascii() and mode.isprintable():
        return mode
    return told.get("period_type") or told.get("sample_type", "")


def _positive(text: str | None) -> float | None:
    """A number that makes sense of a time, or None."""
    try:
        number = float(text or "0")
    except ValueError:
        return None
    return number if 0 < number < math.inf else None


def main() -> None:
    """The program. A profile that cannot be read is told in one line, and by the exit code."""
    from flamegraph.errors import FlamegraphError

    resource.setrlimit(resource.RLIMIT_AS, (_CHILD_MEMORY, _CHILD_MEMORY))
    what, argument = sys.argv[1:]
    data = sys.stdin.buffer.read()
    out = sys.stdout.buffer
    try:
        if what == "pack":
            given = json.loads(argument)
            out.write(packed(data, given["unit"], given["metadata"]))
        elif what == "unpack":
            out.write(unpacked(data, argument))
        else:
            facts, content = taken(data, argument or None)
            out.write(json.dumps(facts._asdict()).encode() + b"\n" + content)
    except FlamegraphError as error:
        sys.exit(" ".join(str(error).split()))
    except OverflowError:
        sys.exit("The weights of this profile are too large for floating point.")
    except MemoryError:
        sys.exit(f"It takes more than {_CHILD_MEMORY >> 30} GiB of memory to read.")


if __name__ == "__main__":
    main()
