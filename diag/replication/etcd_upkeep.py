"""Keeps a member's database within its quota: compaction, defragmentation, and the alarm taken back.

Over its quota etcd refuses every write until someone compacts, defragments and disarms the
alarm. Each node tends its own member only. A member that defragments answers nothing, so
the members take turns by their place in one list that all of them compute: followers by id,
then the leader. One that still catches up passes its turn (etcd before 3.5.23 can damage its
data then). The database is only defragmented when that frees a good part of it.
"""

import asyncio
import logging
from dataclasses import dataclass

from diag.errors import Compacted
from diag.replication.etcd_client import EtcdClient
from diag.replication.etcd_wire import Alarm, MemberStatus

NOSPACE = "NOSPACE"
_SLACK = 0.5  # of the file unused, from which on it is worth the pause
_WORTH = 16 * 1024 * 1024  # bytes unused, below which it is not
_FULL = 0.9  # of the quota used, from which on the alarm would come again at once
_LAG = 1000  # raft entries behind, from which on a member counts as catching up
_SLOWEST = 20e6  # bytes a second, that a defragmentation is reckoned to copy at least

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tended:
    """What one round of upkeep did, and how full the member is now: ``used`` is a share of its quota."""

    compacted: bool
    defragmented: bool
    disarmed: bool
    used: float


class EtcdUpkeep:
    """Upkeep of the one member behind ``client``, whose quota is ``quota_bytes``."""

    def __init__(self, client: EtcdClient, quota_bytes: int, *, turn_seconds: float = 2.0) -> None:
        self._client = client
        self._quota = quota_bytes
        self._turn = turn_seconds

    async def used(self) -> float:
        """Which share of the quota the member's file takes; etcd refuses a write that leads past 1."""
        return (await self._client.status()).db_size / self._quota

    async def after_compaction(self, revision: int) -> Tended:
        """Forget etcd's history before ``revision``, and bring the file and the alarm in order.

        Call it on every node, once a majority holds a snapshot that reaches ``revision``. It may take
        several turns. A learner, whose etcd takes no such order, is compacted with the voters and does
        nothing of its own. Raises Unavailable when the member does not answer; calling it again is harmless.
        """
        if (await self._client.status()).learner:
            return Tended(compacted=False, defragmented=False, disarmed=False, used=await self.used())
        compacted = await self._compact(revision)
        defragmented = await self._defragment_in_turn()
        disarmed = await self._disarm()
        return Tended(compacted, defragmented, disarmed, await self.used())

    async def _compact(self, revision: int) -> bool:
        try:
            await self._client.compact(revision)
        except Compacted:
            return False  # another node was first
        return True

    async def _defragment_in_turn(self) -> bool:
        status = await self._client.status()
        if not _worth_it(status, alarmed=bool(await self._alarms())):
            return False
        await asyncio.sleep(await self._turns_before(status) * max(self._turn, status.db_size / _SLOWEST))
        status = await self._client.status()
        if status.learner or not status.leader or status.raft_index - status.applied_index > _LAG:
            _log.warning("etcd is not defragmented: it still catches up, or knows no leader")
            return False
        await self._client.defragment()
        after = await self._client.status()
        _log.info("etcd is defragmented: %d bytes before, %d after", status.db_size, after.db_size)
        return True

    async def _turns_before(self, status: MemberStatus) -> int:
        ids = sorted(member.member_id for member in await self._client.members(linearizable=False))
        order = [one for one in ids if one != status.leader] + [status.leader]
        own = status.header.member_id
        return order.index(own) if own in order else len(order)

    async def _disarm(self) -> bool:
        """Take back this member's own alarm; the leader, who is last, takes back a dead member's too."""
        status = await self._client.status()
        if status.db_size >= _FULL * self._quota:
            return False
        alarms = [alarm for alarm in await self._alarms() if status.is_leader or _own(alarm, status)]
        for alarm in alarms:
            await self._client.disarm(alarm)
            _log.warning("etcd has room again, %d of %d bytes: alarm disarmed", status.db_size, self._quota)
        return bool(alarms)

    async def _alarms(self) -> list[Alarm]:
        return [alarm for alarm in await self._client.alarms() if alarm.kind == NOSPACE]


def _own(alarm: Alarm, status: MemberStatus) -> bool:
    return alarm.member_id == status.header.member_id


def _worth_it(status: MemberStatus, *, alarmed: bool) -> bool:
    unused = status.db_size - status.db_in_use
    return alarmed or (unused >= _WORTH and unused >= _SLACK * status.db_size)
