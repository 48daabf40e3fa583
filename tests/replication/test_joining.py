"""How a node that waits to join tells of it."""

import logging

import pytest

from diag.replication.joining import Waiting


def test_a_reason_that_stays_the_same_is_told_rarely(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    waiting = Waiting(lambda: now)
    with caplog.at_level(logging.INFO, "diag.replication.joining"):
        for turn in range(70):
            now = turn / 2
            waiting.tell("a:1", "nobody listens")
        assert [record.getMessage() for record in caplog.records] == [
            "a:1 does not take this node yet: nobody listens"
        ] * 2
        waiting.tell("a:1", "another reason")
    assert len(caplog.records) == 3
