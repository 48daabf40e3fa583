import anyio
import pytest

from diag.metrics.lag import LoopLag
from diag.metrics.pace import Pace
from tests.polling import until_async


def test_nothing_noted_is_nothing_told() -> None:
    assert Pace(lambda: 5).per_second() is None


def test_the_last_seconds_are_told() -> None:
    moments, calls = [0.0], [0]
    pace = Pace(lambda: calls[-1], clock=lambda: moments[-1])
    for second in range(20):
        moments.append(float(second))
        calls.append(100 * second)
        pace.note()
    assert pace.per_second() == 100
    moments.append(20.0)
    assert pace.per_second() == pytest.approx(80)
    moments.append(60.0)
    assert pace.per_second() is None


@pytest.mark.anyio
async def test_the_watch_over_the_loop_notes_it() -> None:
    calls = iter(range(1_000_000))
    pace, lag = Pace(lambda: next(calls)), LoopLag(interval=0.01)
    lag.also(pace.note)
    lag.start()
    await anyio.lowlevel.checkpoint()
    await until_async(lambda: (pace.per_second() or 0) > 0)
    await lag.stop()
