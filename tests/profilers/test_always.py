"""Always-on profiling of this very process, in short windows."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from diag.profilers.about import About
from diag.profilers.always import AlwaysOn, Plan
from diag.profilers.capture import Capture
from diag.profilers.coverage import ended_early
from diag.profilers.hub import Profilers
from diag.profilers.keeper import Keeper
from diag.profilers.lock import ProfileLock
from diag.profilers.merge import read_window
from diag.profilers.requests import CpuRequest
from diag.profilers.shelf import Shelf
from diag.profilers.triggers import Readings, Thresholds, Triggers
from diag.profilers.turns import Turns
from diag.profilers.windows import Windows
from tests.polling import until_async

pytestmark = pytest.mark.anyio

CALM = Readings(0.0, 0, 0, 0, 0.0)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Rig:
    """The parts, over directories of the test."""

    def __init__(self, path: Path, seconds: float = 0.3, thresholds: Thresholds | None = None) -> None:
        self.readings = CALM
        self.seen: list[tuple[About, Capture]] = []
        self.jump = 0.0
        self.put_away: Callable[[], None] = lambda: None
        self.turns = Turns()
        self.windows = Windows(path / "windows", 1, 1 << 20)
        self.keeper = Keeper(Shelf(path / "kept", 10, 1 << 20), node_id=1, version="0.1.0")
        self.always = AlwaysOn(
            Plan(seconds=seconds, frequency=50, detail_seconds=0.2, detail_frequency=100, triggered=1),
            self.windows,
            self.turns,
            self.keeper,
            triggers=Triggers(thresholds or Thresholds()),
            read=lambda: self.readings,
            listen=self._listen,
            clock=lambda: time.time() + self.jump,
        )

    def _listen(self, about: About, capture: Capture) -> None:
        self.seen.append((about, capture))
        self.put_away()

    async def until_windows(self, count: int) -> None:
        await until_async(lambda: self.always.counts.kept >= count)


async def spin(over: Callable[[], bool]) -> None:
    while not over():
        sum(range(5000))
        await asyncio.sleep(0)


async def test_what_never_started_closes(tmp_path: Path) -> None:
    await Rig(tmp_path).always.close()


async def test_windows_follow_each_other_and_see_the_work(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    await rig.always.start()
    await spin(lambda: rig.always.counts.kept >= 2)
    await rig.always.close()
    accounts = [window.about for window in rig.windows.all() if window.about is not None]
    assert len(accounts) >= 2
    assert all(account.engine == "inprocess" and account.rate_asked == 50 for account in accounts)
    assert accounts[1].when - (accounts[0].when + accounts[0].seconds) < 1
    assert any(b"spin (" in read_window(rig.windows.path(account.id)) for account in accounts)
    assert [about for about, _ in rig.seen] == accounts


async def test_the_window_that_is_being_taken_is_told_as_far_as_it_got(tmp_path: Path) -> None:
    rig = Rig(tmp_path, seconds=60)
    assert await rig.windows.running() is None
    await rig.always.start()
    end = time.process_time() + 0.3
    await spin(lambda: time.process_time() > end)
    running = await rig.windows.running()
    await rig.always.close()
    assert running is not None
    account, folded = running
    assert b"spin (" in folded
    assert 0 < account.seconds < 30
    assert any("still being taken" in note for note in account.notes)
    assert await rig.windows.running() is None
    [window] = rig.windows.all()
    assert window.about is not None
    assert abs(account.when - window.about.when) < 0.5


async def test_the_end_keeps_the_window_as_far_as_it_got(tmp_path: Path) -> None:
    rig = Rig(tmp_path, seconds=60)
    await rig.always.start()
    end = time.process_time() + 0.2
    await spin(lambda: time.process_time() > end)
    await rig.always.close()
    await rig.always.close()
    [window] = rig.windows.all()
    assert window.about is not None
    assert window.about.seconds < 30
    assert any("the node stopped" in note for note in window.about.notes)
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("profile-")]


async def test_a_profile_that_is_asked_for_is_no_conflict(tmp_path: Path) -> None:
    rig = Rig(tmp_path, seconds=60)
    profilers = Profilers(ProfileLock(), turns=rig.turns)
    await rig.always.start()
    await asyncio.sleep(0)
    capture = await profilers.cpu(CpuRequest(seconds=0.2, engine="inprocess"), "CPU profile for a test")
    assert not any("by a thread" in note for note in capture.notes)
    await rig.always.close()
    await profilers.close()
    early = rig.windows.all()[0].about
    assert early is not None
    assert any("a CPU profile for a test began" in note for note in early.notes)


async def test_a_stop_while_a_window_is_put_away_explains_the_gap_after_it(tmp_path: Path) -> None:
    rig = Rig(tmp_path, seconds=0.1)
    ends: list[asyncio.Task[None]] = []
    rig.put_away = lambda: ends.append(asyncio.create_task(rig.always.close()))
    await rig.always.start()
    await until_async(lambda: ends)
    await ends[0]
    assert [notes.count(ended_early("the node stopped")) for notes in notes_of(rig.windows)] == [1]
    later = Windows(rig.windows.directory, 1, 1 << 20)
    assert later.load() == []
    assert notes_of(later) == notes_of(rig.windows)
    assert rig.always.counts.kept == 1


async def test_a_profile_that_is_asked_for_while_a_window_is_put_away_explains_the_gap_after_it(
    tmp_path: Path,
) -> None:
    rig = Rig(tmp_path, seconds=0.1)
    profiles: list[asyncio.Task[None]] = []

    async def profile() -> None:
        async with rig.turns.asked_for("CPU profile for a test"):
            await rig.until_windows(1)

    rig.put_away = lambda: None if profiles else profiles.append(asyncio.create_task(profile()))
    await rig.always.start()
    await rig.until_windows(2)
    await rig.always.close()
    assert ended_early("a CPU profile for a test began") in notes_of(rig.windows)[0]
    assert not any("began" in note for note in notes_of(rig.windows)[1])


def notes_of(windows: Windows) -> list[tuple[str, ...]]:
    return [() if window.about is None else tuple(window.about.notes) for window in windows.all()]


async def test_a_trigger_keeps_what_was_before_and_more_of_what_is_after(tmp_path: Path) -> None:
    rig = Rig(tmp_path, seconds=60, thresholds=Thresholds(loop_lag_ms=500, cooldown=60))
    await rig.always.start()
    await asyncio.sleep(0)
    rig.readings = CALM._replace(loop_lag=0.8)
    await spin(lambda: len(rig.seen) >= 2)
    entries = []
    for _ in range(200):
        entries = await rig.keeper.all()
        if entries:
            break
        await asyncio.sleep(0.05)
    await rig.always.close()
    [entry] = entries
    assert entry.about is not None
    assert (entry.name or "").startswith("trigger-loop-lag-")
    assert entry.about.trigger == "the event loop was 800 ms late (threshold 500 ms)"
    assert entry.about.unit == "microseconds"
    assert [about.rate_asked for about, _ in rig.seen[:2]] == [50, 100]
    assert rig.always.counts.fired == {"loop-lag": 1}
    _, capture = await rig.keeper.capture(entry.id)
    assert b"spin (" in capture.folded


async def test_only_so_many_profiles_of_triggers_stay(tmp_path: Path) -> None:
    rig = Rig(tmp_path, seconds=60, thresholds=Thresholds(loop_lag_ms=500, cooldown=0))
    rig.readings = CALM._replace(loop_lag=0.8)
    await rig.always.start()
    await until_async(lambda: rig.always.counts.kept >= 5)
    await rig.always.close()
    assert rig.always.counts.fired["loop-lag"] >= 2
    assert len([entry for entry in await rig.keeper.all() if entry.about and entry.about.trigger]) == 1


async def test_a_disk_that_refuses_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "windows").write_bytes(b"a file is in the way")
    rig = Rig(tmp_path, seconds=0.1)
    with caplog.at_level(logging.WARNING):
        await rig.always.start()
        await until_async(lambda: rig.always.counts.dropped >= 3)
        (tmp_path / "windows").unlink()
        await rig.until_windows(1)
        await rig.always.close()
    assert len([record for record in caplog.records if "are not kept" in record.message]) == 1
    assert len([record for record in caplog.records if "kept again" in record.message]) == 1


async def test_a_clock_that_jumps_is_told(tmp_path: Path) -> None:
    rig = Rig(tmp_path, seconds=0.1)
    await rig.always.start()
    await rig.until_windows(1)
    rig.jump = 3600.0
    count = rig.always.counts.kept
    await rig.until_windows(count + 2)
    await rig.always.close()
    notes = [note for about, _ in rig.seen for note in about.notes]
    assert len([note for note in notes if "set forward by 3600" in note]) == 1
