import os
from pathlib import Path

import pytest

from diag.perf.gate.cores import shared_out


def priority() -> int:
    return os.getpriority(os.PRIO_PROCESS, 0)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one core")
def test_servers_and_load_have_different_cores_until_the_end_of_the_block() -> None:
    before = os.sched_getaffinity(0)
    with shared_out() as for_server:
        assert for_server in before
        (for_load,) = os.sched_getaffinity(0)
        assert for_load in before - {for_server}
    assert os.sched_getaffinity(0) == before


def test_on_one_core_all_are_on_it() -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        with shared_out() as for_server:
            assert for_server is None
            assert os.sched_getaffinity(0) == {min(before)}
    finally:
        os.sched_setaffinity(0, before)


def test_who_is_measured_is_served_first_where_that_is_permitted() -> None:
    before = priority()
    with shared_out():
        within = priority()
    assert within < before if may_be_less_nice() else within == before
    assert priority() == before


def test_what_keeps_cores_awake_gives_way_to_who_is_measured() -> None:
    own = f"/proc/{os.getpid()}/task/{os.getpid()}/children"
    already = set(Path(own).read_text().split())
    with shared_out():
        for pid in set(Path(own).read_text().split()) - already:
            while os.sched_getscheduler(int(pid)) != os.SCHED_IDLE:
                pass


def may_be_less_nice() -> bool:
    """Whether a child of this process, which is as it is, may."""
    pid = os.fork()
    if not pid:
        try:
            os.setpriority(os.PRIO_PROCESS, 0, priority() - 1)
        except PermissionError:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
