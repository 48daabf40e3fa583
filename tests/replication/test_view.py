"""The cluster as a member's answers tell of it."""

import pytest

from diag.replication import NodeAddress
from diag.replication.etcd_client import EtcdClient
from diag.replication.etcd_facts import EtcdFacts, FactsReader
from diag.replication.etcd_wire import Header, Member, MemberStatus
from diag.replication.view import Seen, View, see

pytestmark = pytest.mark.anyio


def _member(node_id: int, *, learner: bool = False, name: str | None = None) -> Member:
    at = f"10.0.0.{node_id}"
    return Member(
        1000 + node_id,
        str(node_id) if name is None else name,
        (f"http://{at}:28103",),
        learner,
        (f"http://{at}:9191",),
    )


def _status(
    own: int = 1, leader: int = 1, *, learner: bool = False, errors: tuple[str, ...] = ()
) -> MemberStatus:
    return MemberStatus(Header(77, 1000 + own, 5, 3), "3.5.30", leader, 9, 3, 9, learner, 4096, 2048, errors)


def _node(node_id: int) -> NodeAddress:
    return NodeAddress(node_id, str(node_id), f"10.0.0.{node_id}", 28103, f"10.0.0.{node_id}:9191")


def test_no_members() -> None:
    seen = see(_status(leader=0), (), EtcdFacts())
    assert (seen.cluster, seen.state, seen.leader, seen.nodes) == (77, "Candidate", None, ())
    assert seen.member(1) is None


def test_voters_and_learners_by_id() -> None:
    members = (_member(3), _member(1), _member(2, learner=True))
    seen = see(_status(leader=1003), members, EtcdFacts())
    assert (seen.voters, seen.non_voters) == ((_node(1), _node(3)), (_node(2),))
    assert (seen.leader, seen.term, seen.db_size) == (_node(3), 3, 4096)
    assert [seen.member(number) for number in (1, 2, 3)] == [1001, 1002, 1003]


@pytest.mark.parametrize("name", ["", "default", "-1"])
def test_a_member_that_no_node_started_is_nobodys(name: str) -> None:
    seen = see(_status(leader=1002), (_member(1), _member(2, name=name)), EtcdFacts())
    assert seen.nodes == (_node(1),)
    assert seen.leader is None


@pytest.mark.parametrize(
    ("status", "raft_state", "state"),
    [
        (_status(1, 1001), "StateLeader", "Leader"),
        (_status(1, 1002), "StateFollower", "Follower"),
        (_status(1, 1002), "", "Follower"),
        (_status(1, 1002), "PreCandidate", "Candidate"),
        (_status(1, 0), "Follower", "Candidate"),
        (_status(1, 1002, errors=("etcdserver: no leader",)), "Follower", "Candidate"),
        (_status(1, 1002, learner=True), "Follower", "Learner"),
    ],
)
def test_its_state(status: MemberStatus, raft_state: str, state: str) -> None:
    assert see(status, (_member(1), _member(2)), EtcdFacts(raft_state=raft_state)).state == state


def test_a_survivor_that_names_the_old_leader_knows_none() -> None:
    seen = see(_status(1, 1002, errors=("etcdserver: no leader",)), (_member(1), _member(2)), EtcdFacts())
    assert seen.leader is None


async def test_a_member_that_does_not_answer_keeps_what_was_known() -> None:
    client, facts = EtcdClient(["127.0.0.1:1"], deadline=0.2), FactsReader("127.0.0.1:1", 0.2)
    changes: list[Seen] = []
    view = View(client, client.members, facts, changes.append)
    view.seen = see(_status(1, 1001), (_member(1), _member(2)), EtcdFacts(leader_changes=4))
    try:
        await view.look()
        await view.look()
    finally:
        await client.close()
        await facts.close()
    assert (view.seen.state, view.seen.leader) == ("Candidate", None)
    assert (view.seen.cluster, view.seen.voters) == (77, (_node(1), _node(2)))
    assert view.seen.facts.leader_changes == 4
    assert len(changes) == 1, "a look that differs from the last is told once"
