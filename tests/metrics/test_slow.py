"""The log of slow requests: bounded, newest first, and told in the node's log without flooding it."""

import logging
import math

import pytest

from diag.metrics.slow import KEPT, SlowRequest, SlowRequests


def took(seconds: float, key: str = "k") -> SlowRequest:
    return SlowRequest(0.0, "KvApi", key, seconds, {"queue": seconds, "reply": 0.0}, "id-1", 10, None)


def test_nothing_is_kept_at_first_and_a_threshold_of_0_is_never_reached() -> None:
    slow = SlowRequests(0)
    assert (slow.newest_first(), slow.total) == ([], 0)
    assert (slow.threshold, slow.threshold_ms) == (math.inf, None)
    assert SlowRequests(0.25).threshold_ms == 250


def test_the_newest_are_kept_and_all_are_counted() -> None:
    slow = SlowRequests(0.1)
    for number in range(KEPT + 10):
        slow.note(took(number))
    kept = slow.newest_first()
    assert [request.seconds for request in kept] == list(range(KEPT + 9, 9, -1))
    assert slow.total == KEPT + 10


def test_the_log_has_one_line_a_second(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    now = 0.0
    slow = SlowRequests(0.1, lambda: now)
    for _ in range(1000):
        slow.note(took(0.5, key="a\nb"))
        now += 0.01
    lines = [record.message for record in caplog.records]
    assert 9 <= len(lines) <= 11
    assert lines[0] == r"slow request: KvApi 'a\nb' took 500.0 ms: queue 500.0 ms, reply 0.0 ms"
    assert "(99 more since the last such line)" in lines[1]
