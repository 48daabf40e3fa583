"""The disk is tried for real, and one that is stuck holds nobody."""

import asyncio
import errno
import os
import time
from pathlib import Path

import pytest

from diag.doctor.writing import WritingTrial
from diag.faults.disk import Disk, refusal

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_it_leaves_nothing(tmp_path: Path) -> None:
    told = await WritingTrial(tmp_path).take(20.0)
    assert 0 < told.median <= told.longest
    assert 1 <= told.tries <= 5
    assert (told.failed, told.stuck) == (None, 0.0)
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - a directory of the test's own


async def test_a_directory_that_is_gone(tmp_path: Path) -> None:
    told = await WritingTrial(tmp_path / "gone").take(5.0)
    assert told.failed == f"{tmp_path / 'gone'}: {os.strerror(errno.ENOENT)}"


async def test_two_at_a_time_share_one(tmp_path: Path) -> None:
    trial = WritingTrial(tmp_path)
    first, second = await asyncio.gather(trial.take(20.0), trial.take(20.0))
    assert first == second


async def test_a_stuck_disk_and_then_not_any_more(tmp_path: Path) -> None:
    if reason := refusal(tmp_path):
        pytest.skip(reason)
    with Disk(tmp_path, "a", megabytes=16) as disk:
        trial = WritingTrial(disk.path)
        disk.stick()
        began = time.monotonic()
        told = await trial.take(0.2)
        assert told.stuck >= 0.15
        again = await trial.take(0.2)
        assert again.stuck > told.stuck, "the one that is stuck is told of again, and no second one is made"
        assert time.monotonic() - began < 2.0, "a stuck disk holds nobody"
        disk.heal()
        await trial.take(20.0)
        assert (await trial.take(20.0)).tries
