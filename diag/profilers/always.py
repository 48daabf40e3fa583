"""Always-on profiling: one window after another at a low rate, and more of it when a trigger fires.

The in-process sampler takes them, driven by the CPU time that the process uses: an idle node is hardly woken,
a busy one pays some microseconds a tick, and nothing is traced or stopped. A window that is asked to end
early is kept as far as it got. Nothing that goes wrong here reaches the service: it is logged, counted, and
the next begins.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from diag.errors import MetaError
from diag.profilers.about import About, Load
from diag.profilers.capture import Capture
from diag.profilers.coverage import covered, ended_early
from diag.profilers.keeper import Keeper
from diag.profilers.merge import Merging
from diag.profilers.requests import CpuRequest
from diag.profilers.sampler import Sampler
from diag.profilers.triggers import Fired, Readings, Triggers
from diag.profilers.turns import Turn, Turns
from diag.profilers.windows import Window, Windows

_LOOK_SECONDS: Final = 1.0
_CLOSE_SECONDS: Final = 10.0
_JUMP_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """Seconds and Hz of a window, and of one after a trigger; ``triggered`` of the latter's profiles stay."""

    seconds: float = 60.0
    frequency: int = 19
    detail_seconds: float = 10.0
    detail_frequency: int = 99
    triggered: int = 20


@dataclass
class Counts:
    """Since the start: windows kept and lost, and triggers that fired by name."""

    kept: int = 0
    dropped: int = 0

    def __post_init__(self) -> None:
        self.fired: Counter[str] = Counter()


class _Taken(NamedTuple):
    about: About
    capture: Capture


class AlwaysOn:
    """Made once a process, used on its event loop. ``read`` gives the figures that ``triggers`` look at.

    ``listen`` is told of every window: its account and its stacks, whether or not the disk took them.
    """

    def __init__(
        self,
        plan: Plan,
        windows: Windows,
        turns: Turns,
        keeper: Keeper,
        *,
        triggers: Triggers,
        read: Callable[[], Readings],
        listen: Callable[[About, Capture], None] = lambda _about, _capture: None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.windows = windows
        self.counts = Counts()
        self._plan = plan
        self._turns = turns
        self._keeper = keeper
        self._triggers = triggers
        self._read = read
        self._listen = listen
        self._clock = clock
        self._monotonic = monotonic
        self._drift = clock() - monotonic()
        self._last: deque[_Taken] = deque(maxlen=2)
        self._fired: list[Fired] = []
        self._turn = Turn()
        self._sampler: Sampler | None = None
        self._before = Load()
        windows.running = self.running
        self._busy = False
        self._closing = False
        self._refused = False
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Find the windows of earlier runs, and begin."""
        try:
            damaged = await asyncio.to_thread(self.windows.load)
        except MetaError as error:
            _log.warning("windows of always-on profiling from earlier runs cannot be listed: %s", error)
            damaged = []
        if damaged:
            _log.warning("windows of always-on profiling that are damaged: %s", ", ".join(damaged))
        self._tasks = [
            asyncio.create_task(self._run(), name="always-on profiling"),
            asyncio.create_task(self._look(), name="profiling triggers"),
        ]

    async def close(self) -> None:
        """End; the window that is being taken is kept. May be called without ``start``, and twice."""
        self._closing = True
        self._turn.end("the node stopped")
        if self._busy:
            await asyncio.wait(self._tasks[:1], timeout=_CLOSE_SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def running(self) -> tuple[About, bytes] | None:
        """The window that is being taken, as far as it got; None where none is, or it has only begun."""
        sampler = self._sampler
        capture = None if sampler is None else await asyncio.to_thread(sampler.so_far)
        if capture is None or sampler is not self._sampler:
            return None
        capture = replace(capture, notes=(*capture.notes, "The last window is still being taken."))
        about = self._keeper.account(capture, self._before)
        about = replace(about, when=round(self._clock() - capture.seconds, 3))
        return about, capture.labelled or capture.folded

    async def _run(self) -> None:
        while not self._closing:
            try:
                await self._window()
            except Exception:  # noqa: BLE001 - profiling does not end the service
                self.counts.dropped += 1
                _log.exception("a window of always-on profiling failed")
                await asyncio.sleep(self._plan.seconds)
            finally:
                self._busy = False

    async def _window(self) -> None:
        fired, self._fired = self._fired, []
        plan, turn = self._plan, Turn()
        self._turn = turn
        request = CpuRequest(
            seconds=plan.detail_seconds if fired else plan.seconds,
            frequency=plan.detail_frequency if fired else plan.frequency,
            engine="inprocess",
        )
        async with self._turns.window(turn):
            self._busy = True
            self._before = self._keeper.load()
            # The ids of a day would keep all stacks apart, and denser looks would be a cost all day.
            self._sampler = Sampler(request, turn, ids=False, dense=False)
            try:
                capture = await self._sampler.run()
            finally:
                self._sampler = None
            ended = self._clock()
        early = turn.ended_for
        if early is not None:
            capture = replace(capture, notes=(*capture.notes, ended_early(early)))
        capture = replace(capture, notes=(*capture.notes, *self._jumped()))
        about = self._keeper.account(capture, self._before)
        taken = _Taken(replace(about, when=round(ended - capture.seconds, 3)), capture)
        await self._keep(taken)
        if fired:
            await self._keep_triggered(fired, taken)
        self._last.append(taken)
        if early is None and turn.ended_for is not None:
            await self._explain_gap(taken.about, ended_early(turn.ended_for))

    def _jumped(self) -> tuple[str, ...]:
        before, self._drift = self._drift, self._clock() - self._monotonic()
        jump = self._drift - before
        if abs(jump) < _JUMP_SECONDS:
            return ()
        return (f"The clock was set {'forward' if jump > 0 else 'back'} by {abs(jump):.1f} s meanwhile.",)

    async def _keep(self, taken: _Taken) -> None:
        about, capture = taken
        self._listen(about, capture)
        try:
            await asyncio.to_thread(self.windows.add, about, capture.labelled or capture.folded)
        except MetaError as error:
            self.counts.dropped += 1
            if not self._refused:
                _log.warning("windows of always-on profiling are not kept: %s", error)
            self._refused = True
            return
        self.counts.kept += 1
        if self._refused:
            _log.warning("windows of always-on profiling are kept again")
            self._refused = False

    async def _explain_gap(self, about: About, note: str) -> None:
        """A window had its whole time, and what came while it was put away keeps the next from beginning."""
        with contextlib.suppress(MetaError):  # whoever keeps windows has told that already
            await asyncio.to_thread(self.windows.note, about.id, note)

    async def _look(self) -> None:
        while not self._closing:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                found = self._triggers.look(self._monotonic(), self._read())
            except Exception:  # noqa: BLE001 - profiling does not end the service
                _log.exception("the triggers of always-on profiling failed, and are looked at no more")
                return
            for fired in found:
                self.counts.fired[fired.name] += 1
                _log.warning("the trigger %s fired: %s; a profile is kept", fired.name, fired.says)
            if found:
                self._fired += found
                self._turn.end(f"the trigger {found[0].name} fired")

    async def _keep_triggered(self, fired: Sequence[Fired], detail: _Taken) -> None:
        parts = [*self._taken_before(), detail]
        capture = await asyncio.to_thread(_combined, parts, fired)
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(detail.about.when))
        says = "; ".join(one.says for one in fired)
        about = detail.about
        kept = await self._keeper.keep(
            *(capture, f"trigger-{fired[0].name}-{moment}", about.nodes, self._keeper.load()), trigger=says
        )
        if kept.about is None:
            _log.warning("the profile of the trigger %s is not kept: %s", fired[0].name, kept.reason)
            return
        _log.warning("the profile of the trigger %s is /debug/profiles/%s", fired[0].name, kept.about.id)
        await self._drop_oldest()

    def _taken_before(self) -> list[_Taken]:
        """What was sampled before the trigger: the window that it ended, and one more if that was short."""
        last = list(self._last)
        long_enough = last and last[-1].about.seconds >= self._plan.seconds / 2
        return last[-1:] if long_enough else last

    async def _drop_oldest(self) -> None:
        try:
            found = [entry for entry in await self._keeper.all() if entry.about and entry.about.trigger]
            for entry in found[self._plan.triggered :]:
                await self._keeper.remove(entry.id)
        except MetaError as error:
            _log.warning("profiles of earlier triggers are not removed: %s", error)


def _combined(parts: Sequence[_Taken], fired: Sequence[Fired]) -> Capture:
    """The windows around a trigger as one profile."""
    abouts = [part.about for part in parts]
    start, end = abouts[0].when, abouts[-1].when + abouts[-1].seconds
    around = covered((Window(about.id, 0, about, 0.0) for about in abouts), start, end, end)
    stacks, labels = Merging("stack"), Merging("label")
    for about, capture in parts:
        for merging in (stacks, labels):
            merging.add(capture.labelled or capture.folded, around.scale(about))
    capture = around.capture(stacks.folded(), stacks.samples)
    notes = [f"Kept by a trigger: {one.says}." for one in fired]
    return replace(capture, labelled=labels.folded(), notes=(*notes, *capture.notes))
