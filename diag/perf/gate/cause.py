"""Which function made head dearer: profiles of both sides, taken in turns, compared by cost per unit of work.

Every slice tells its stacks and what a unit of work cost in it, so that a function's own share becomes the
function's own cost. Growth is in points: percent of what a unit costs base in all. The interval comes from
drawing slices again (bootstrap): slices differ more than samples within one do.

The wheel of imports is hidden, since a module that is imported should answer for what importing it costs.
Where no function's own cost explains the growth, as when many small ones grew, it is the innermost function
beneath which most of it lies.
"""

import random
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Final, NamedTuple

from flamegraph import drop_line_numbers, group_by_thread, hide, merge, scale
from flamegraph.diff import Diff, diff
from flamegraph.profile import Profile
from flamegraph.stats import quantile

_DRAWS: Final = 2_000
_ENDS: Final = (0.025, 0.975)
#: Functions whose interval is worked out; those that grew less are not the cause.
_LOOKED_AT: Final = 30
#: The share of the whole growth that one function must have, of its own or else beneath it, to be the cause.
_ITS_OWN: Final = 0.2
_BENEATH: Final = 0.5
_IMPORTING: Final = r"\(<frozen (importlib|zipimport|runpy)|^_call_with_frames_removed"


class Slice(NamedTuple):
    """One profile, in samples or bytes, and what a unit of work cost meanwhile: CPU nanoseconds, or bytes."""

    profile: Profile
    cost: float


class Growth(NamedTuple):
    """A function and by how many points it grew, with the ends of the 95 % interval.

    ``beneath`` says that it is what the function calls that grew; ``base`` and ``head`` are costs in points.
    """

    name: str
    points: float
    low: float
    high: float
    base: float
    head: float
    beneath: bool = False

    @property
    def sure(self) -> bool:
        """Whether the interval excludes that it did not grow."""
        return self.low > 0

    def sentence(self, of: str) -> str:
        """One line for a report; ``of`` is what a unit of work is."""
        where = "in what it calls" if self.beneath else "of its own"
        return (
            f"{self.name} {self.points:+.1f} points of {of} ({self.low:+.1f} to {self.high:+.1f}), {where}: "
            f"{self.base:.1f} -> {self.head:.1f}"
        )


class Cause:
    """What two lists of slices, one or more of each side, say. Empty profiles are no slices."""

    def __init__(self, base: Sequence[Slice], head: Sequence[Slice]) -> None:
        self._base = [_comparable(each) for each in base if each.profile.total]
        self._head = [_comparable(each) for each in head if each.profile.total]

    @property
    def known(self) -> bool:
        """Whether there is a slice of both sides."""
        return bool(self._base and self._head)

    def growths(self) -> list[Growth]:
        """The functions that grew, first the one that grew most at the least, by its interval's lower end."""
        if not self.known:
            return []
        whole = fmean(each.cost for each in self._base)
        own = [_points([_own(each, whole) for each in side]) for side in (self._base, self._head)]
        found = _grown(*own, beneath=False)
        total = 100 * (fmean(each.cost for each in self._head) / whole - 1)
        if not any(each.sure and each.points >= _ITS_OWN * total for each in found):
            found += self._beneath(whole, total)
        return sorted(found, key=lambda each: (not each.sure, each.beneath, -each.low, each.name))

    def diff(self) -> Diff:
        """Both sides in one tree, weighed by the cost of a unit of work; needs ``known``."""
        base, head = self.profiles()
        return diff(base, head, normalize=False)

    def profiles(self) -> tuple[Profile, Profile]:
        """Each side's slices as one profile whose total is the mean cost of a unit."""
        return _together(self._base), _together(self._head)

    def _beneath(self, whole: float, total: float) -> list[Growth]:
        inclusive = [_points([_inclusive(each, whole) for each in side]) for side in (self._base, self._head)]
        most = [
            each for each in _grown(*inclusive, beneath=True) if each.sure and each.points >= _BENEATH * total
        ]
        # The innermost is the one with the least cost in all.
        return sorted(most, key=lambda each: each.head)[:1]


def _comparable(each: Slice) -> Slice:
    """Without what differs between two runs of the same code: lines, ids of threads, the wheel of imports."""
    return each._replace(profile=hide(group_by_thread(drop_line_numbers(each.profile)), _IMPORTING))


def _own(each: Slice, whole: float) -> dict[str, float]:
    factor = 100 * each.cost / each.profile.total / whole
    return {hot.name: hot.self * factor for hot in each.profile.top(len(each.profile.names))}


def _inclusive(each: Slice, whole: float) -> dict[str, float]:
    factor = 100 * each.cost / each.profile.total / whole
    return {hot.name: hot.total * factor for hot in each.profile.top(len(each.profile.names))}


def _points(slices: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """Of functions alone: a thread is no cause."""
    names = {name for each in slices for name in each if _is_function(name)}
    return {name: [each.get(name, 0.0) for each in slices] for name in names}


def _grown(
    base: Mapping[str, Sequence[float]], head: Mapping[str, Sequence[float]], *, beneath: bool
) -> list[Growth]:
    nothing = [0.0]
    grown = []
    for name in head:
        before, after = fmean(base.get(name, nothing)), fmean(head[name])
        if after > before:
            grown.append((after - before, name, before, after))
    grown.sort(key=lambda each: (-each[0], each[1]))
    return [
        Growth(name, points, *_interval(base.get(name, nothing), head[name]), before, after, beneath)
        for points, name, before, after in grown[:_LOOKED_AT]
    ]


def _interval(base: Sequence[float], head: Sequence[float]) -> tuple[float, float]:
    lot = random.Random(0)
    draws = [
        fmean(lot.choices(head, k=len(head))) - fmean(lot.choices(base, k=len(base))) for _ in range(_DRAWS)
    ]
    return quantile(draws, _ENDS[0]), quantile(draws, _ENDS[1])


def _together(slices: Sequence[Slice]) -> Profile:
    """Samples become nanoseconds, bytes stay bytes; how many samples there were is kept."""
    whole = merge([each.profile for each in slices])
    scaled = scale(whole, fmean(each.cost for each in slices) / whole.total)
    if whole.unit == "bytes":
        return scaled
    told = {"samples": str(whole.total)}
    return Profile(scaled.parent, scaled.name, scaled.weights, scaled.names, "nanoseconds", told)


def _is_function(name: str) -> bool:
    """Whether a frame without its line has a place: `f (a.py)`."""
    return name.endswith(")") and " (" in name
