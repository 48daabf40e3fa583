"""What the windows of an interval cover, and what they do not."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from diag.profilers.about import About, moment, moment_of_id
from diag.profilers.capture import Capture
from diag.profilers.windows import Window

#: Between two windows the sampler starts anew; a pause up to this many seconds is no gap.
_SEAM: Final = 1.0
_MOST_GAPS_TOLD: Final = 10
#: Of a gap before the first window, or after one that ended as it should.
_UNKNOWN: Final = "no window is kept from then: the node did not run or sample, or it made room"


@dataclass(frozen=True, slots=True)
class Gap:
    """Seconds since 1970 during which nothing was sampled, and why."""

    start: float
    end: float
    why: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """``start`` and ``end`` are the interval asked for; ``windows`` are in the order of time.

    ``running`` has the stacks of the window that is being taken, which may be among them. ``as_time`` gives
    weights in CPU time rather than samples, for comparing what has different rates.
    """

    start: float
    end: float
    windows: tuple[About, ...]
    gaps: tuple[Gap, ...]
    damaged: tuple[str, ...]
    as_time: bool = False
    running: tuple[About, bytes] | None = None

    @property
    def seconds(self) -> float:
        """Seconds that were sampled."""
        return sum(about.seconds for about in self.windows)

    def rates(self) -> set[float | None]:
        """Samples a second that were asked for; a sample stands for less time where it is more."""
        return {about.rate_asked for about in self.windows}

    @property
    def unit(self) -> str:
        """Of the merged weights."""
        return "microseconds" if self.as_time or len(self.rates()) > 1 else "samples"

    def without(self, damaged: Sequence[str]) -> "Coverage":
        """The same where windows turned out not to be readable."""
        left = tuple(about for about in self.windows if about.id not in damaged)
        gaps = tuple(
            _gaps(left, self.start, max(self.start, *(gap.end for gap in self.gaps), self._reached()))
        )
        return replace(self, windows=left, gaps=gaps, damaged=(*self.damaged, *damaged))

    def _reached(self) -> float:
        return max((about.when + about.seconds for about in self.windows), default=self.start)

    def overlapping(self) -> bool:
        """Whether a window begins before the one before it has ended, as after a clock that was set back."""
        return any(
            late.when - (early.when + early.seconds) < -_SEAM for early, late in pairwise(self.windows)
        )

    def scale(self, about: About) -> float:
        """What a sample of that window weighs in the unit of ``capture``."""
        return 1e6 / about.rate_asked if self.unit == "microseconds" and about.rate_asked else 1.0

    def notes(self) -> tuple[str, ...]:
        """Sentences on what the picture is made of."""
        first, last = self.windows[0], self.windows[-1]
        rates = "/".join(sorted({f"{about.rate_asked:g}" for about in self.windows if about.rate_asked}))
        told = [
            f"{len(self.windows)} windows of always-on profiling from {moment(first.when)} to "
            f"{moment(last.when + last.seconds)}: {self.seconds:.1f} s at {rates or 'unknown'} Hz of CPU."
        ]
        if self.gaps:
            shown = "; ".join(map(_told, self.gaps[:_MOST_GAPS_TOLD]))
            more = f" and {len(self.gaps) - _MOST_GAPS_TOLD} more" if len(self.gaps) > _MOST_GAPS_TOLD else ""
            told.append(f"Not covered: {shown}{more}.")
        if self.damaged:
            told.append(f"Damaged and left out: {', '.join(self.damaged)}.")
        if self.overlapping():
            told.append("The clock was set back meanwhile, so windows overlap.")
        if self.unit != "samples":
            told.append("Windows were sampled at different rates, so the weights are CPU time.")
        told += dict.fromkeys(note for about in self.windows for note in about.notes if _of_the_engine(note))
        return tuple(told)

    def capture(self, folded: bytes, samples: int) -> Capture:
        """The merged stacks with an account of how they were taken."""
        rates = [about.rate_asked for about in self.windows]
        effective = [(about.rate, about.seconds) for about in self.windows if about.rate is not None]
        seconds = sum(length for _, length in effective)
        return Capture(
            folded=folded,
            kind="cpu",
            unit=self.unit,
            engine=", ".join(sorted({about.engine for about in self.windows})),
            mode=", ".join(sorted({about.mode for about in self.windows})),
            seconds=self.seconds,
            samples=samples,
            errors=sum(about.errors for about in self.windows),
            rate_asked=rates[0] if len(self.rates()) == 1 else None,
            rate_effective=sum(rate * length for rate, length in effective) / seconds if seconds else None,
            notes=self.notes(),
        )


def covered(windows: Iterable[Window], start: float, end: float, now: float) -> Coverage:
    """The windows of an interval: those that lie in it by half at least, or that it lies in by half.

    So no window belongs to two intervals that follow each other.
    """
    inside, damaged = [], []
    for window in windows:
        if window.about is None:
            if start <= moment_of_id(window.id) <= end:
                damaged.append(window.id)
            continue
        common = min(end, window.about.when + window.about.seconds) - max(start, window.about.when)
        if common > 0 and 2 * common >= min(window.about.seconds, end - start):
            inside.append(window.about)
    inside.sort(key=lambda about: about.when)
    return Coverage(start, end, tuple(inside), tuple(_gaps(inside, start, min(end, now))), tuple(damaged))


def ended_early(reason: str) -> str:
    """The note of a window that ended early, which explains the gap after it."""
    return f"{_EARLY}{reason}."


_EARLY: Final = "The window ended early: "


def _gaps(windows: Sequence[About], start: float, end: float) -> Iterable[Gap]:
    reached, why = start, _UNKNOWN
    for about in windows:
        if about.when - reached > _SEAM:
            yield Gap(reached, about.when, why)
        # The clock may have been set back: what is covered stays covered.
        reached = max(reached, about.when + about.seconds)
        why = next((note[len(_EARLY) : -1] for note in about.notes if note.startswith(_EARLY)), _UNKNOWN)
    if end - reached > _SEAM:
        yield Gap(reached, end, why)


def _told(gap: Gap) -> str:
    return f"{moment(gap.start)} to {moment(gap.end)} ({gap.end - gap.start:.1f} s, {gap.why})"


def _of_the_engine(note: str) -> bool:
    return not note.startswith(_EARLY)
