import os
from pathlib import Path

from diag.perf.gate.hogs import awake, hogs


def _children() -> set[str]:
    return set(Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split())


def test_none_are_none() -> None:
    before = _children()
    with hogs(0):
        assert _children() == before


def test_hogs_compute_until_the_end_of_the_block() -> None:
    before = _children()
    with hogs(2):
        started = _children() - before
        assert len(started) == 2
        for pid in started:
            while int(Path(f"/proc/{pid}/stat").read_text().split()[13]) < 3:  # ticks on the processor
                pass
    assert _children() == before


def test_cores_are_kept_awake_by_what_gives_way_to_all_else() -> None:
    before = _children()
    with awake():
        started = [int(pid) for pid in _children() - before]
        assert len(started) == len(os.sched_getaffinity(0))
        while any(os.sched_getscheduler(pid) != os.SCHED_IDLE for pid in started):
            pass
        assert {tuple(os.sched_getaffinity(pid)) for pid in started} == {
            (core,) for core in os.sched_getaffinity(0)
        }
    assert _children() == before
