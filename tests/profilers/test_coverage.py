"""Which windows an interval has, and what it says of what they do not cover."""

from dataclasses import replace

from diag.profilers.coverage import covered, ended_early
from diag.profilers.windows import Window
from tests.profilers.profiles import about

T = 1_700_000_000.0


def window(start: float, seconds: float = 60.0, rate: float = 19.0, notes: tuple[str, ...] = ()) -> Window:
    account = about(when=T + start + seconds)
    account = replace(
        account, when=T + start, seconds=seconds, rate_asked=rate, rate=rate, engine="inprocess", notes=notes
    )
    return Window(account.id, 1, account, 0.0)


def starts(windows: list[Window], start: float, end: float) -> list[float]:
    found = covered(windows, T + start, T + end, T + 1e6)
    return [account.when - T for account in found.windows]


def test_nothing() -> None:
    found = covered([], T, T + 60, T + 60)
    assert found.windows == ()
    assert [(gap.start, gap.end) for gap in found.gaps] == [(T, T + 60)]
    assert found.seconds == 0


def test_intervals_that_follow_each_other_share_no_window() -> None:
    minutes = [window(60.0 * number) for number in range(4)]
    assert starts(minutes, 0, 110) == [0, 60]
    assert starts(minutes, 110, 240) == [120, 180]
    assert starts(minutes, 0, 240) == [0, 60, 120, 180]


def test_an_interval_inside_one_window_has_it() -> None:
    assert starts([window(0), window(60)], 10, 15) == [0]


def test_gaps_say_why() -> None:
    windows = [
        window(0, 20, notes=(ended_early("a CPU profile for 127.0.0.1 began"),)),
        window(30),
        window(90.5),
    ]
    found = covered(windows, T, T + 200, T + 170)
    assert [(gap.start - T, gap.end - T) for gap in found.gaps] == [(20, 30), (150.5, 170)]
    assert found.gaps[0].why == "a CPU profile for 127.0.0.1 began"
    assert "no window is kept from then" in found.gaps[1].why
    notes = " ".join(found.notes())
    assert "3 windows" in notes
    assert "140.0 s at 19 Hz" in notes
    assert "(10.0 s, a CPU profile for 127.0.0.1 began)" in notes
    assert "ended early" not in notes


def test_what_cannot_be_read_becomes_a_gap() -> None:
    windows = [window(0), window(60), window(120)]
    found = covered(windows, T, T + 180, T + 180).without([windows[1].id])
    assert [account.when - T for account in found.windows] == [0, 120]
    assert [(gap.start - T, gap.end - T) for gap in found.gaps] == [(60, 120)]
    assert f"Damaged and left out: {windows[1].id}." in found.notes()


def test_damage_is_told_in_its_own_time_only() -> None:
    whole = window(0)
    damaged = replace(whole, about=None)
    assert covered([damaged], T, T + 120, T + 120).damaged == (whole.id,)
    assert covered([damaged], T + 3600, T + 3720, T + 3720).damaged == ()


def test_one_rate_counts_samples_and_several_count_time() -> None:
    same = covered([window(0), window(60)], T, T + 120, T + 120)
    assert same.capture(b"", 0).unit == "samples"
    assert same.capture(b"", 0).rate_asked == 19
    mixed = covered([window(0), window(60, rate=100.0)], T, T + 120, T + 120)
    capture = mixed.capture(b"", 7)
    assert (capture.unit, capture.rate_asked, capture.samples) == ("microseconds", None, 7)
    assert [round(mixed.scale(account)) for account in mixed.windows] == [52632, 10000]
    assert any("different rates" in note for note in capture.notes)


def test_a_clock_set_back_is_told_and_nothing_is_lost() -> None:
    found = covered([window(0), window(20)], T, T + 80, T + 80)
    assert len(found.windows) == 2
    assert found.gaps == ()
    assert any("set back" in note for note in found.notes())
