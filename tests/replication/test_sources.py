"""Which way to the log is in use, and for how long."""

import pytest

from diag.errors import Unavailable
from diag.replication.sources import Sources, ways
from tests.replication.memory_log import MemoryLog

LOG = MemoryLog()
OWN, PEER, OTHER = (LOG.source(name) for name in ("own", "peer", "other"))


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_no_way_at_all() -> None:
    sources = Sources([])
    with pytest.raises(Unavailable, match="voters up"):
        _ = sources.current
    sources.leave(OWN)
    sources.replace([OWN])
    assert sources.current is OWN


def test_the_only_way_is_never_left() -> None:
    sources = Sources([OWN])
    sources.leave(OWN)
    assert sources.current is OWN


def test_it_goes_round_and_comes_home_after_a_while() -> None:
    clock = _Clock()
    sources = Sources([OWN, PEER, OTHER], clock)
    for expected in (PEER, OTHER, OWN, PEER):
        sources.leave(sources.current)
        assert sources.current is expected
    clock.now = 9.9
    assert sources.current is PEER
    clock.now = 10.0
    assert sources.current is OWN


def test_what_another_left_already_is_left_once() -> None:
    sources = Sources([OWN, PEER, OTHER], _Clock())
    for _ in range(5):
        sources.leave(OWN)
    assert sources.current is PEER


def test_the_one_in_use_stays_when_others_come_and_go() -> None:
    sources = Sources([OWN, PEER], _Clock())
    sources.leave(OWN)
    sources.replace([OWN, OTHER, PEER])
    assert sources.current is PEER
    sources.replace([OWN, OTHER])
    assert sources.current is OWN


def test_the_own_member_has_its_turn_between_the_others() -> None:
    own, one, two, three = (LOG.source(name) for name in ("own", "one", "two", "three"))
    assert ways(None, []) == []
    assert ways(None, [one, two]) == [one, two]
    assert ways(own, []) == [own]
    assert ways(own, [one]) == [own, one]
    assert ways(own, [one, two, three]) == [own, one, own, two, own, three]
