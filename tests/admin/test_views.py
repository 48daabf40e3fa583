"""The contract's examples, field by field, of a cluster of two that stands still."""

from dataclasses import replace
from pathlib import Path

import pytest

from diag.admin.views import Views
from diag.replication import ClusterStatus, LogId, NodeAddress, SnapshotFacts

ONE = NodeAddress(1, "1", "localhost", 28103, "0.0.0.0:9191")
TWO = NodeAddress(2, "2", "localhost", 28104, "0.0.0.0:9192")
CONTRACT_STATUS = {
    "id": 1,
    "endpoint": "localhost:28103",
    "db_size": 18899209,
    "state": "Follower",
    "is_leader": False,
    "current_term": 67,
    "last_log_index": 53067,
    "last_applied": {"term": 67, "index": 53067},
    "leader": {
        "name": "2",
        "endpoint": {"addr": "localhost", "port": 28104},
        "grpc_api_addr": "0.0.0.0:9192",
    },
    "voters": [
        {"name": "1", "endpoint": {"addr": "localhost", "port": 28103}, "grpc_api_addr": "0.0.0.0:9191"},
        {"name": "2", "endpoint": {"addr": "localhost", "port": 28104}, "grpc_api_addr": "0.0.0.0:9192"},
    ],
    "non_voters": [],
    "last_seq": 60665,
}
FOLLOWER = ClusterStatus(
    node=ONE,
    state="Follower",
    term=67,
    last_log_index=53067,
    last_applied=LogId(67, 2, 53067),
    purged=None,
    snapshot=None,
    leader=TWO,
    voters=(ONE, TWO),
    non_voters=(),
    last_seq=60665,
    key_count=7,
    db_size=18899209,
    log_size=4096,
)
VIEWS = Views("0.1.0", "127.0.0.1:9191")


def within(expected: object, told: object) -> object:
    """``told`` without the fields that ``expected`` has not."""
    if isinstance(expected, dict) and isinstance(told, dict):
        return {name: within(value, told[name]) for name, value in expected.items()}
    if isinstance(expected, list) and isinstance(told, list):
        assert len(expected) == len(told)
        return [within(value, other) for value, other in zip(expected, told, strict=True)]
    return told


def test_a_node_before_its_first_election_has_no_leader() -> None:
    told = VIEWS.status(
        replace(FOLLOWER, state="Candidate", leader=None, term=0, last_applied=LogId(0, 0, 0))
    )
    assert (told["leader"], told["is_leader"], told["state"]) == (None, False, "Candidate")
    assert told["replication"] is None
    assert told["replication_lag"] is None


def test_a_node_that_was_taken_out_follows_nobody_though_it_last_saw_a_leader() -> None:
    told = Views("0.1.0", "127.0.0.1:9191", removed=lambda: "stop it").status(FOLLOWER)
    assert (told["removed"], told["leader"], told["state"]) == ("stop it", None, "Candidate")


def test_the_contract_s_status_is_reproduced() -> None:
    assert within(CONTRACT_STATUS, VIEWS.status(FOLLOWER)) == CONTRACT_STATUS


def test_the_contract_s_nodes_are_reproduced() -> None:
    expected = CONTRACT_STATUS["voters"]
    assert within(expected, VIEWS.nodes(FOLLOWER)) == expected


def test_learners_stand_apart_and_come_last() -> None:
    status = replace(FOLLOWER, voters=(TWO,), non_voters=(ONE,), state="Learner")
    told = VIEWS.status(status)
    assert [node["name"] for node in told["voters"]] == ["2"]
    assert [node["name"] for node in told["non_voters"]] == ["1"]
    assert [node["name"] for node in VIEWS.nodes(status)] == ["2", "1"]


def test_a_leader_tells_how_far_behind_each_node_is() -> None:
    positions = {1: LogId(67, 2, 53000), 2: LogId(67, 2, 53067)}
    told = VIEWS.status(replace(FOLLOWER, node=TWO, state="Leader", replication=positions))
    assert told["replication"]["1"] == {
        "term": 67,
        "index": 53000,
        "leader_id": {"term": 67, "node_id": 2},
    }
    assert told["replication_lag"] == {"1": 67, "2": 0}


def test_a_node_that_publishes_no_client_address() -> None:
    silent = replace(TWO, grpc_advertise=None)
    own, other = VIEWS.nodes(
        replace(
            FOLLOWER,
            node=replace(ONE, grpc_advertise=None),
            voters=(replace(ONE, grpc_advertise=None), silent),
        )
    )
    assert own["grpc_api_addr"] == "127.0.0.1:9191", "where this node listens"
    assert (other["grpc_api_addr"], other["grpc_api_advertise_address"]) == ("", None)


def test_facts_of_the_etcd_member_stand_in_the_status() -> None:
    assert "etcd" not in VIEWS.status(FOLLOWER)
    views = Views("0.1.0", "127.0.0.1:9191", lambda: {"version": "3.5"})
    assert views.status(FOLLOWER)["etcd"] == {"version": "3.5"}


@pytest.mark.parametrize("expiring", [0, 2])
def test_keys_of_the_snapshot_count_its_expire_index(expiring: int) -> None:
    facts = SnapshotFacts(LogId(67, 2, 53000), Path("/nowhere"), 5, expiring, 10, "hash", 0, 0.1)
    told = VIEWS.status(replace(FOLLOWER, snapshot=facts))
    assert told["snapshot_key_count"] == 5 + expiring
    assert told["snapshot_last_log_id"]["index"] == 53000
