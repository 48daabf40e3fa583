"""The course of a process: real memory taken, and counters that begin anew."""

import mmap

import pytest

from diag.doctor.cluster_course import ETCD, etcd_memory, standing_of
from diag.doctor.course import BLOCKS, FILES, OWN, Course, Standing, status_bytes
from diag.doctor.facts import Lately
from diag.replication.etcd_facts import EtcdFacts, PeerFacts
from diag.replication.etcd_member import MemberState
from diag.replication.view import Seen
from tests.polling import until_async

_MIB = 1 << 20


def test_there_is_no_course_before_there_are_looks() -> None:
    course = Course(Standing)
    assert course.growth() is None
    assert course.lately(600.0) == Lately()


def test_memory_that_is_taken_shows_and_by_whom() -> None:
    course = Course(Standing, lambda: {"others": 5})
    taken = []
    for _ in range(9):
        course.look()
        taken.append(_pages(10 * _MIB))
    growth = course.growth()
    assert growth is not None
    assert growth.steady
    assert growth.last - growth.first > 60 * _MIB
    assert {holder for holder, _ in growth.holders} == {FILES, BLOCKS, "others"}
    assert max(size for _, size in growth.holders) < 30 * _MIB, "these are no small objects"


def _pages(size: int) -> mmap.mmap:
    """Memory fresh from the system; the interpreter would hand out again what earlier tests gave back."""
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    pages.write(b"\1" * size)
    return pages


def test_memory_that_stays_is_not_steady_growth() -> None:
    course = Course(Standing)
    for _ in range(12):
        course.look()
    growth = course.growth()
    assert growth is not None
    assert growth.last - growth.first < 30 * _MIB


def test_what_came_and_went_lately() -> None:
    now = [0.0]
    counts = [
        Standing(5, 0, 0, {2: 1, 3: 7}),
        Standing(6, 1, 1, {2: 1, 3: 9}),
        Standing(2, 1, 4, {2: 4, 3: 9}),
    ]
    course = Course(lambda: counts[int(now[0] // 100)], clock=lambda: now[0])
    for moment in (0, 100, 200):
        now[0] = moment
        course.look()
    assert course.lately(600) == Lately(
        seconds=200, leader_changes=2, handed_over=1, restarts=4, lost=((2, 3), (3, 2))
    )
    assert course.lately(100) == Lately(seconds=100, leader_changes=2, restarts=3, lost=((2, 3), (3, 0)))


@pytest.mark.anyio
async def test_it_looks_by_itself_until_it_is_stopped() -> None:
    course = Course(Standing, every=0.01)
    course.start()
    await until_async(lambda: course.growth() is not None)
    await course.stop()
    await course.stop()
    growth = course.growth()
    assert growth is not None
    assert growth.first > 0


def test_a_process_that_is_gone_tells_nothing() -> None:
    assert status_bytes("self", OWN) == [0]
    assert status_bytes("0", "VmRSS") is None
    assert etcd_memory(MemberState()) == {}


def test_what_a_member_tells() -> None:
    seen = Seen(
        member_of=((1, 11), (2, 22)), facts=EtcdFacts(leader_changes=3, peers={22: PeerFacts(lost=4)})
    )
    assert standing_of(seen, MemberState(restarts=2), 1) == Standing(3, 1, 2, {2: 4})
    (size,) = etcd_memory(MemberState(pid=1)).values()
    assert size > 0
    assert ETCD
