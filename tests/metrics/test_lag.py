import time

import anyio
import anyio.lowlevel
import pytest

from diag.metrics.lag import LoopLag
from tests.polling import until_async


def test_there_is_no_lag_before_it_starts() -> None:
    assert LoopLag().worst() == 0.0


@pytest.mark.anyio
async def test_a_blocked_loop_shows_at_once_and_afterwards() -> None:
    lag = LoopLag(interval=0.01, window=100.0)
    lag.start()
    await anyio.lowlevel.checkpoint()
    blocked_until = time.monotonic() + 0.2
    while time.monotonic() < blocked_until:
        pass
    assert lag.worst() >= 0.15
    await anyio.sleep(0.05)
    assert lag.worst() >= 0.15
    await lag.stop()


@pytest.mark.anyio
async def test_only_the_seconds_asked_for_count() -> None:
    moments = [0.0]
    lag = LoopLag(interval=0.01, window=10.0, clock=lambda: moments[-1])
    lag.start()
    moments.append(5.0)
    # What has not ended yet counts however short the time asked for; so it has ended when nothing does.
    await until_async(lambda: lag.worst(within=-1.0) == 0.0)
    await lag.stop()
    moments.append(9.0)
    assert lag.worst(within=1.0) == 0.0
    assert lag.worst(within=4.5) > 4.9


@pytest.mark.anyio
async def test_stopping_twice_is_harmless() -> None:
    lag = LoopLag()
    lag.start()
    await lag.stop()
    await lag.stop()
    assert lag.worst() == 0.0
