"""Changes of members: guarded, POST, and clear about what is wrong."""

import pytest

from tests.admin.members import Cluster
from tests.admin.served import Served

pytestmark = pytest.mark.anyio

LEAVE, PROMOTE = "/v1/ctrl/leave", "/v1/ctrl/promote"


async def test_a_node_of_its_own_has_nobody_to_remove_or_promote(node: Served) -> None:
    for path in (LEAVE, PROMOTE):
        response = await node.http.post(path, params={"id": "1"})
        assert response.status_code == 409
        assert "only voter" in response.text


async def test_any_node_takes_the_change_and_answers_with_the_members(cluster: Cluster) -> None:
    response = await cluster.nodes[2].http.post(PROMOTE, params={"id": "3"})
    assert response.json() == {"id": 3, "was_member": True, "voters": [1, 2], "non_voters": [3]}
    assert (await cluster.nodes[2].http.post(LEAVE, params={"id": "2"})).status_code == 200
    assert cluster.membership.asked == [("promote", 3), ("remove", 2)]


async def test_the_last_voter_stays(cluster: Cluster) -> None:
    response = await cluster.first.http.post(LEAVE, params={"id": "1"})
    assert (response.status_code, "last voter" in response.text) == (409, True)


@pytest.mark.parametrize("query", ["", "?id=x", "?id=-1", "?id=1&id=2", "?node=3"])
async def test_what_names_no_node_is_refused(cluster: Cluster, query: str) -> None:
    for path in (LEAVE, PROMOTE):
        assert (await cluster.first.http.post(path + query)).status_code == 400
    assert cluster.membership.asked == []


async def test_only_the_guard_s_friends_change_members(cluster: Cluster) -> None:
    async with cluster.first.from_elsewhere() as http:
        assert (await http.post(LEAVE, params={"id": "2"})).status_code == 403
    assert (await cluster.first.http.get(LEAVE, params={"id": "2"})).status_code == 405
    assert cluster.membership.asked == []


async def test_who_is_no_member_is_out_already_and_told_so(cluster: Cluster) -> None:
    response = await cluster.first.http.post(LEAVE, params={"id": "77"})
    assert response.status_code == 200
    assert response.json() == {"id": 77, "was_member": False, "voters": [1, 2], "non_voters": [3]}
