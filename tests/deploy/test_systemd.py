"""The unit under a systemd that was booted for it: what a node may do in it, and how it ends."""

import json
from collections.abc import Iterator

import pytest

from tests.deploy import boot
from tests.polling import until

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]

ADMIN = "http://127.0.0.1:28101"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[boot.Machine]:
    reason = boot.refusal()
    if reason is not None:
        pytest.skip(f"no systemd can be booted here: {reason}")
    with boot.booted(tmp_path_factory.mktemp("boot")) as machine:
        yield machine


def get(machine: boot.Machine, path: str) -> tuple[int, str]:
    """Status and body of an answer to the token's owner; 0 where there is none."""
    token = machine.told("cat", "/run/token").splitlines()[-1]
    asked = (
        "import json, sys, httpx\n"
        f"headers = {{'Authorization': 'Bearer {token}'}}\n"
        "try:\n"
        f"    answer = httpx.get({ADMIN + path!r}, headers=headers, timeout=60, trust_env=False)\n"
        "    print(json.dumps([answer.status_code, answer.text]))\n"
        "except httpx.TransportError as error:\n"
        "    print(json.dumps([0, str(error)]))\n"
    )
    status, text = json.loads(machine.told("/opt/metadiag/bin/python", "-c", asked))
    return int(status), str(text)


def is_ready(machine: boot.Machine) -> bool:
    return get(machine, "/readyz")[0] == 200


def test_the_node_is_ready_on_loopback(machine: boot.Machine) -> None:
    until(lambda: is_ready(machine))
    assert machine.property("User") == "metadiag"
    assert machine.property("NRestarts") == "0"
    assert machine.told("stat", "-c", "%U %a", "/var/lib/metadiag/raft") == "metadiag 700"
    assert machine.told("ls", "/var/log/metadiag")


@pytest.mark.parametrize("engine", ["py-spy", "inprocess"])
def test_it_may_profile_itself_with_the_rights_it_is_given(machine: boot.Machine, engine: str) -> None:
    until(lambda: is_ready(machine))
    status, folded = get(machine, f"/debug/pprof/profile?seconds=1&mode=wall&engine={engine}&format=folded")
    assert status == 200, folded
    assert "diag/" in folded


def test_the_doctor_finds_nothing_that_the_unit_forbids(machine: boot.Machine) -> None:
    until(lambda: is_ready(machine))
    status, told = get(machine, "/debug/doctor?format=json")
    assert status == 200
    names = {one["name"] for one in json.loads(told)["findings"]}
    assert "tracing_denied" not in names


def test_one_that_is_killed_is_started_again(machine: boot.Machine) -> None:
    until(lambda: is_ready(machine))
    before = machine.property("MainPID")
    machine.told("kill", "-KILL", before)
    until(lambda: machine.property("MainPID") not in ("0", before))
    until(lambda: is_ready(machine))
    assert machine.property("NRestarts") == "1"


def test_a_stop_is_clean_and_a_start_finds_its_data(machine: boot.Machine) -> None:
    until(lambda: is_ready(machine))
    machine.told("systemctl", "stop", "metadiag.service")
    assert machine.property("Result") == "success"
    assert machine.property("ExecMainStatus") == "0"
    assert machine.property("ActiveState") == "inactive"
    assert "metadiag.service: Deactivated successfully." in machine.journal()
    machine.told("systemctl", "start", "metadiag.service")
    until(lambda: is_ready(machine))
