"""Windows on disk: their limits, their index, and what the clock does to them."""

import gzip
from dataclasses import replace
from pathlib import Path

import pytest

from diag.errors import NoSpace, StoreError
from diag.profilers.about import About
from diag.profilers.merge import read_window
from diag.profilers.windows import Windows
from tests.profilers.profiles import FOLDED, about

START = 1_700_000_000.0


class Clock:
    """A wall clock and one that nobody sets, at the same pace."""

    def __init__(self) -> None:
        self.wall = START
        self.steady = 0.0

    def go(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def windows(path: Path, clock: Clock, hours: float = 1.0, size: int = 1 << 20) -> Windows:
    return Windows(path / "windows", hours, size, monotonic=lambda: clock.steady, clock=lambda: clock.wall)


def one(clock: Clock) -> About:
    """The account of a window of a minute that ends now."""
    return replace(about(when=clock.wall), when=clock.wall - 60, seconds=60.0)


def test_no_directory_is_no_windows(tmp_path: Path, clock: Clock) -> None:
    empty = windows(tmp_path, clock)
    assert empty.load() == []
    assert empty.all() == []
    assert empty.size == 0


def test_a_window_is_a_gzip_file_that_any_tool_reads(tmp_path: Path, clock: Clock) -> None:
    kept, account = windows(tmp_path, clock), one(clock)
    kept.add(account, FOLDED)
    assert gzip.decompress(kept.path(account.id).read_bytes()) == FOLDED
    assert read_window(kept.path(account.id)) == FOLDED
    assert kept.size == kept.path(account.id).stat().st_size


def test_a_note_is_added_to_the_window_that_is_there(tmp_path: Path, clock: Clock) -> None:
    kept, account = windows(tmp_path, clock), one(clock)
    kept.note(account.id, "of nothing")
    assert kept.all() == []
    kept.add(account, FOLDED)
    kept.note(account.id, "It rained.")
    [window] = kept.all()
    assert window.about == replace(account, notes=(*account.notes, "It rained."))
    assert read_window(kept.path(account.id)) == FOLDED
    assert kept.size == kept.path(account.id).stat().st_size
    again = windows(tmp_path, clock)
    assert again.load() == []
    assert [one.about for one in again.all()] == [window.about]


def test_windows_outlive_the_process(tmp_path: Path, clock: Clock) -> None:
    first, accounts = windows(tmp_path, clock), []
    for _ in range(3):
        clock.go(60)
        accounts.append(one(clock))
        first.add(accounts[-1], FOLDED)
    again = windows(tmp_path, clock)
    assert again.load() == []
    assert [window.about for window in again.all()] == accounts
    assert again.size == first.size


def test_old_windows_go(tmp_path: Path, clock: Clock) -> None:
    kept, early = windows(tmp_path, clock), one(clock)
    kept.add(early, FOLDED)
    clock.go(3601)
    late = one(clock)
    kept.add(late, FOLDED)
    assert [window.id for window in kept.all()] == [late.id]
    assert not kept.path(early.id).exists()


def test_old_windows_go_at_the_start_too(tmp_path: Path, clock: Clock) -> None:
    windows(tmp_path, clock).add(one(clock), FOLDED)
    clock.go(7200)
    again = windows(tmp_path, clock)
    again.load()
    assert again.all() == []


def test_the_oldest_go_where_it_is_too_much(tmp_path: Path, clock: Clock) -> None:
    probe = windows(tmp_path / "probe", clock)
    probe.add(one(clock), FOLDED)
    kept = windows(tmp_path, clock, size=3 * probe.size + probe.size // 2)
    accounts = []
    for _ in range(5):
        clock.go(60)
        accounts.append(one(clock))
        kept.add(accounts[-1], FOLDED)
    assert [window.id for window in kept.all()] == [account.id for account in accounts[-3:]]
    assert len(list(kept.directory.iterdir())) == 3


def test_a_window_larger_than_everything_is_refused(tmp_path: Path, clock: Clock) -> None:
    kept = windows(tmp_path, clock, size=100)
    with pytest.raises(NoSpace, match="continuous_bytes is 100"):
        kept.add(one(clock), FOLDED)
    assert kept.all() == []


@pytest.mark.parametrize("jump", [-400 * 86400.0, 400 * 86400.0])
def test_a_clock_that_jumps_neither_empties_nor_fills_the_directory(
    tmp_path: Path, clock: Clock, jump: float
) -> None:
    kept = windows(tmp_path, clock)
    for _ in range(3):
        clock.go(60)
        kept.add(one(clock), FOLDED)
    clock.wall += jump
    for _ in range(3):
        clock.go(60)
        kept.add(one(clock), FOLDED)
    assert len(kept.all()) == 6
    clock.go(3600 - 100)
    kept.add(one(clock), FOLDED)
    assert len(kept.all()) < 6


def test_a_clock_that_was_set_back_before_the_start_lets_new_windows_stay(
    tmp_path: Path, clock: Clock
) -> None:
    kept = windows(tmp_path, clock)
    kept.add(one(clock), FOLDED)
    size = kept.size
    clock.wall -= 30 * 86400
    again = windows(tmp_path, clock, size=2 * size + size // 2)
    again.load()
    clock.go(60)
    for _ in range(3):
        clock.go(60)
        again.add(one(clock), FOLDED)
    assert [window.about.when for window in again.all() if window.about] == [
        clock.wall - 120,
        clock.wall - 60,
    ]


def test_damaged_files_are_told_and_left_out(tmp_path: Path, clock: Clock) -> None:
    kept, good, bad = windows(tmp_path, clock), one(clock), one(clock)
    kept.add(good, FOLDED)
    kept.add(bad, FOLDED)
    kept.path(bad.id).write_bytes(b"nonsense")
    (kept.directory / "half.making").write_bytes(b"half")
    (kept.directory / "notes.txt").write_bytes(b"someone's own")
    again = windows(tmp_path, clock)
    assert again.load() == [bad.id]
    assert {window.id: window.about for window in again.all()} == {good.id: good, bad.id: None}
    assert sorted(path.name for path in kept.directory.iterdir()) == sorted(
        [kept.path(good.id).name, kept.path(bad.id).name, "notes.txt"]
    )


def test_a_disk_that_refuses_is_told(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "windows").write_bytes(b"a file is in the way")
    kept = windows(tmp_path, clock)
    with pytest.raises(StoreError):
        kept.load()
    with pytest.raises(StoreError):
        kept.add(one(clock), FOLDED)
    assert kept.all() == []
