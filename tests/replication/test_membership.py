"""Who may become a member, and who must not, over a real etcd."""

from pathlib import Path

import pytest

from diag.errors import Conflict, Unavailable
from diag.replication import Joining
from diag.replication.etcd_binary import EtcdBinary
from diag.replication.etcd_member import EtcdMember
from diag.replication.etcd_wire import Member
from diag.replication.membership import EtcdMembership
from tests.replication.conftest import running, specs

pytestmark = pytest.mark.anyio


async def nobody(address: str) -> tuple[Member, ...]:
    raise Unavailable(f"nobody listens at {address}")


async def somebody(address: str) -> tuple[Member, ...]:
    return ()


async def test_a_node_that_runs_keeps_its_place(etcd: EtcdBinary, short_path: Path) -> None:
    (spec,) = specs(short_path, 1)
    async with running([EtcdMember(spec, etcd)]) as [client]:
        twin = Joining(1, "1", spec.advertise, "127.0.0.1:1", False, spec.cluster)
        with pytest.raises(Conflict, match=r"runs at .* stop it first"):
            await EtcdMembership(client, spec, somebody).join(twin)
        assert [member.name for member in await client.members()] == ["1"]


async def test_the_last_voter_stays(etcd: EtcdBinary, short_path: Path) -> None:
    (spec,) = specs(short_path, 1)
    async with running([EtcdMember(spec, etcd)]) as [client]:
        membership = EtcdMembership(client, spec, nobody)
        with pytest.raises(Conflict, match="last voter"):
            await membership.remove(1)
        await membership.remove(7)  # is no member: that is what was asked for
