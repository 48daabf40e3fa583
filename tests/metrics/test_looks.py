import asyncio
import itertools

import pytest

from diag.metrics.looks import Looks
from tests.polling import until_async

pytestmark = pytest.mark.anyio


def test_nothing_is_kept_before_the_first_look() -> None:
    looks = Looks(lambda: 1, 10.0, 3, "test")
    assert (looks.kept(), looks.last()) == ((), None)


def test_the_newest_are_kept() -> None:
    looks = Looks(itertools.count().__next__, 10.0, 3, "test")
    for _ in range(5):
        looks.look()
    assert (looks.kept(), looks.last()) == ((2, 3, 4), 4)


async def test_it_looks_until_it_is_stopped() -> None:
    looks = Looks(itertools.count().__next__, 0.005, 9, "test")
    await looks.stop()
    looks.start()
    assert looks.kept() == ()
    assert "test" in {task.get_name() for task in asyncio.all_tasks()}
    await until_async(lambda: len(looks.kept()) >= 3)
    await looks.stop()
    await looks.stop()
    assert "test" not in {task.get_name() for task in asyncio.all_tasks()}
