"""What a node's etcd member says when it is asked, within a bound; a frozen one says nothing."""

import asyncio

from diag.doctor.facts import Alarm, Etcd
from diag.errors import MetaError
from diag.replication.etcd_client import EtcdClient
from diag.replication.etcd_member import MemberState
from diag.replication.view import Seen


async def etcd_facts(client: EtcdClient, state: MemberState, seen: Seen, quota: int, within: float) -> Etcd:
    """Of the member behind ``client``, asked within ``within`` seconds; ``seen`` is what it told before."""
    known = Etcd(
        phase=state.phase,
        restarts=state.restarts,
        last_failure=state.last_failure,
        db_size=seen.db_size,
        quota=quota,
    )
    try:
        status, alarms = await asyncio.gather(client.status(deadline=within), client.alarms(deadline=within))
    except MetaError as failure:
        return known.model_copy(update={"unanswered": str(failure)})
    nodes = {member_id: node_id for node_id, member_id in seen.member_of}
    return known.model_copy(
        update={
            "version": status.version,
            "db_size": status.db_size,
            "alarms": tuple(Alarm(kind=one.kind, node_id=nodes.get(one.member_id)) for one in alarms),
        }
    )
