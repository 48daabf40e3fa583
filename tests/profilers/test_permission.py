import re
from dataclasses import replace

import pytest

from diag.errors import ProfilerMissing
from diag.profilers.permission import Rights, explain_failure, find_py_spy, read_rights
from tests.profilers.conftest import Start

FREE = Rights(capable=False, yama=0, seccomp=0, dumpable=True, tracer=0)


def test_an_ordinary_process_may_be_traced() -> None:
    assert FREE.refusal() is None
    assert replace(FREE, yama=1).refusal() is None


@pytest.mark.parametrize(
    ("rights", "remedy"),
    [
        (replace(FREE, tracer=42), "Process 42.*detach"),
        (replace(FREE, yama=3, capable=True), "ptrace_scope is 3.*boot with"),
        (replace(FREE, yama=2), "CAP_SYS_PTRACE.*--cap-add SYS_PTRACE.*ptrace_scope to 1"),
        (replace(FREE, dumpable=False), "PR_SET_DUMPABLE.*CAP_SYS_PTRACE"),
    ],
)
def test_each_refusal_names_its_remedy(rights: Rights, remedy: str) -> None:
    said = rights.refusal()
    assert said is not None
    assert re.search(remedy, said)


def test_the_capability_overrules_scope_two_and_the_dumpable_mark() -> None:
    assert replace(FREE, capable=True, yama=2, dumpable=False).refusal() is None


def test_a_refusal_met_on_the_way_is_put_down_to_seccomp_where_there_is_a_filter() -> None:
    said = "Error: Failed to suspend process\nReason: EPERM: Operation not permitted"
    assert "seccomp" in str(explain_failure(said, replace(FREE, seccomp=2)))
    assert "CAP_SYS_PTRACE" in str(explain_failure(said, FREE))
    assert explain_failure("Error: something else", FREE) is None


def test_the_rights_of_this_process_are_read() -> None:
    rights = read_rights(find_py_spy(None))
    assert rights.dumpable
    assert rights.tracer == 0


def test_a_program_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ProfilerMissing, match=r"/nonexistent/py-spy was not found.*install"):
        find_py_spy("/nonexistent/py-spy")
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr("sys.executable", "/nonexistent/python")
    with pytest.raises(ProfilerMissing, match="py-spy was not found"):
        find_py_spy(None)


def test_a_process_that_is_not_dumpable_is_refused_with_the_remedy(start: Start) -> None:
    service = start("incapable", "undumpable")
    refused = service.ask("cpu", seconds=0.2, engine="py-spy")
    assert refused["error"] == "ProfilerDenied"
    assert "PR_SET_DUMPABLE" in refused["message"]
    fallback = service.ask("cpu", seconds=0.2, mode="gil")
    assert fallback["engine"] == "inprocess"
    assert "PR_SET_DUMPABLE" in fallback["notes"][0]


def test_without_the_capability_a_process_profiles_itself(start: Start) -> None:
    if read_rights(find_py_spy(None)).yama >= 2:
        pytest.skip("kernel.yama.ptrace_scope lets only CAP_SYS_PTRACE trace here")
    assert start("incapable", "shares").ask("cpu", seconds=0.3, engine="py-spy")["samples"] > 0
