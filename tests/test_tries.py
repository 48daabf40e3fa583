"""Failed tries: who waits, for how long, and what is remembered."""

import pytest

from diag.errors import TooManyTries
from diag.tries import FORGOTTEN, FREE, LONGEST, MOST, Tries

HOST = "10.0.0.9"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def wait_of(tries: Tries, host: str | None) -> float:
    try:
        tries.require_none_pending(host)
    except TooManyTries as error:
        return error.retry_after
    return 0.0


def test_nobody_waits_at_first() -> None:
    assert wait_of(Tries(), HOST) == 0
    assert wait_of(Tries(), None) == 0


def test_each_failure_beyond_the_free_ones_doubles_the_wait() -> None:
    clock = Clock()
    tries, waits = Tries(clock), []
    for number in range(FREE + 8):
        tries.failed(HOST, f"guess {number}")
        waits.append(wait_of(tries, HOST))
        clock.now += waits[-1]
        assert wait_of(tries, HOST) == 0, "after the wait the next is looked at"
    assert waits == [0] * (FREE - 1) + [1, 2, 4, 8, 16, 32, LONGEST, LONGEST, LONGEST]
    clock.now += FORGOTTEN + 1
    tries.failed(HOST, "much later")
    assert wait_of(tries, HOST) == 0


def test_the_same_wrong_token_again_is_no_new_try() -> None:
    tries = Tries(Clock())
    for _ in range(1000):
        tries.failed(HOST, "last month's")
    assert wait_of(tries, HOST) == 0


def test_others_do_not_wait() -> None:
    tries = Tries(Clock())
    for number in range(FREE + 1):
        tries.failed("2001:db8::1", str(number))
    assert wait_of(tries, "2001:db8::ffff:2") > 0, "one host has the whole network of 64 bits"
    assert wait_of(tries, "2001:db8:0:1::1") == 0
    for number in range(FREE + 1):
        tries.failed("::ffff:10.0.0.9", str(number))
    assert wait_of(tries, HOST) > 0
    assert wait_of(tries, "10.0.0.8") == 0


def test_no_more_addresses_are_remembered_than_fit() -> None:
    tries = Tries(Clock())
    for number in range(MOST + 100):
        tries.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", "x")
    assert len(tries) == MOST
    for number in range(FREE + 1):
        tries.failed(HOST, str(number))
    with pytest.raises(TooManyTries, match=r"Too many wrong tokens came from 10\.0\.0\.9; .* in \d+ s"):
        tries.require_none_pending(HOST)
