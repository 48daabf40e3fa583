"""One node of a cluster, put together: its etcd member, store and log, and its ways to the other nodes."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack

from diag.config.model import RaftConfig
from diag.errors import Compacted, MetaError, Unavailable
from diag.kv.directory import DATA_DIR, SNAPSHOT_DIR
from diag.kv.replacement import recover
from diag.kv.snapshot import SnapshotStore
from diag.kv.store import Store
from diag.replication import NodeAddress
from diag.replication.beginning import check_joiner
from diag.replication.digest_apart import digest_apart
from diag.replication.etcd import ClusterLog, Ways
from diag.replication.etcd_binary import EtcdBinary, find_etcd
from diag.replication.etcd_client import EtcdClient
from diag.replication.etcd_facts import FactsReader
from diag.replication.etcd_flags import EtcdSpec
from diag.replication.etcd_member import EtcdMember, MemberState
from diag.replication.etcd_source import EtcdSource
from diag.replication.etcd_upkeep import EtcdUpkeep
from diag.replication.housekeeping import Due
from diag.replication.member_list import MemberList
from diag.replication.member_spec import spec_at_start
from diag.replication.membership import EtcdMembership
from diag.replication.peer_client import Access, PeerClient
from diag.replication.peer_source import PeerSource
from diag.replication.peers import GrpcPeers
from diag.replication.progress import Progress
from diag.replication.relayed_membership import RelayedMembership
from diag.replication.renewal import Renewal
from diag.replication.sources import Sources, ways
from diag.replication.state import State
from diag.replication.view import Seen, View

_PAUSE = 0.2
#: How often a start fetches a snapshot that the log has been cut behind by the time it is here.
_RENEWALS = 5

_log = logging.getLogger(__name__)


class ClusterEngine:
    """Everything of a cluster's node but its servers. Other nodes reach it at ``node.grpc_advertise``.

    ``start`` raises with nothing left running; then ``store``, ``log``, ``membership``, ``peers`` and
    ``source`` (this node's own member) are there.
    """

    store: Store
    log: ClusterLog
    membership: RelayedMembership
    source: EtcdSource

    def __init__(
        self,
        raft: RaftConfig,
        node: NodeAddress,
        access: Access,
        clock_ms: Callable[[], int],
    ) -> None:
        self._raft = raft
        self._node = node
        self._access = access
        self._clock_ms = clock_ms
        self._patience = raft.wait_leader_timeout / 1000
        self._running = AsyncExitStack()
        self.snapshots = SnapshotStore(raft.raft_dir / SNAPSHOT_DIR, digest_apart)
        self._state = State(raft.raft_dir / DATA_DIR, self.snapshots, raft.id)
        self.peers = GrpcPeers(self._addresses, access)
        self._sources = Sources([])
        self._led = 0  # the node that led when last one did
        self._peer_sources: dict[PeerClient, PeerSource] = {}

    async def start(self) -> None:
        """Start or join the cluster, and catch up with it."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop in order; what was acknowledged is in the cluster's log."""
        await self._running.aclose()

    @property
    def seen(self) -> Seen:
        """The cluster as this node's member last told it."""
        return self._view.seen

    @property
    def member_endpoint(self) -> str:
        """Where ``EtcdClient`` reaches this node's member."""
        return self._member.endpoint

    @property
    def client(self) -> EtcdClient:
        """Asks this node's member."""
        return self._client

    @property
    def member_state(self) -> MemberState:
        """What the member's supervisor knows."""
        return self._member.state

    def member_facts(self) -> Mapping[str, object]:
        """What the member's supervisor knows, for the node's status."""
        return vars(self._member.state)

    def removed(self) -> str | None:
        """What to do about it, once the cluster has taken this node out."""
        if self._member.state.phase != "removed":
            return None
        return (
            f"node {self._node.node_id} was removed from its cluster and serves no more; stop it. To bring "
            "it back, start it with an empty raft_dir and raft_config.join (diag join)"
        )

    async def _start(self) -> None:
        recover(self._state.path)
        binary = find_etcd(self._raft.etcd_binary)
        spec = await spec_at_start(self._raft, self._node, self._access, self._state, self._patience)
        await self._start_member(spec, binary)
        await self._await_leader()
        self._running.push_async_callback(self.peers.close)
        own = EtcdMembership(self._client, spec, self._members.at)
        self.membership = RelayedMembership(own, self._view, self._voters)
        await self._be_promoted()
        self.source = EtcdSource(self._client)
        self._use_sources(self._view.seen)
        await self._start_log(binary)

    async def _start_member(self, spec: EtcdSpec, binary: EtcdBinary) -> None:
        self._member = EtcdMember(spec, binary)
        self._running.push_async_callback(self._member.stop)
        await self._member.start()
        await self._member.wait_ready(self._patience)
        self._client = EtcdClient([self._member.endpoint])
        self._running.push_async_callback(self._client.close)
        facts = FactsReader(self._member.endpoint)
        self._running.push_async_callback(facts.close)
        self._members = MemberList(spec)
        self._running.push_async_callback(self._members.close)
        self._view = View(self._client, lambda: self._members.at(spec.advertise), facts, self._use_sources)
        self._upkeep = EtcdUpkeep(self._client, spec.quota_bytes)

    async def _await_leader(self) -> None:
        try:
            async with asyncio.timeout(self._patience):
                while True:
                    await self._view.look()
                    if self._view.seen.leader is not None:
                        break
                    await asyncio.sleep(_PAUSE)
        except TimeoutError:
            raise Unavailable(
                f"The cluster has no leader after {self._patience:g} s; start a majority of its voters."
            ) from None
        looking = asyncio.create_task(self._view.run(), name="cluster-view")
        self._running.push_async_callback(_end, looking)

    async def _be_promoted(self) -> None:
        """A node that is to be a voter asks the others, again and again: it must catch up first."""
        if self._raft.learner:
            return
        try:
            async with asyncio.timeout(self._patience):
                while self._view.seen.state == "Learner":
                    for peer in self.peers.others(self._node.node_id):
                        try:
                            await peer.promote(self._node.node_id)
                            break
                        except MetaError as failure:
                            _log.info("This node is not promoted yet: %s", failure)
                    await asyncio.sleep(_PAUSE)
                    await self._view.look()
        except TimeoutError:
            raise Unavailable(
                f"This node joined, and was not made a voter within {self._patience:g} s; start it again."
            ) from None

    async def _start_log(self, binary: EtcdBinary) -> None:
        progress = Progress(self.peers, self._node.node_id, lambda: self._view.seen.state == "Leader")
        for renewals_left in range(_RENEWALS, -1, -1):
            try:
                await self._open_log(binary, progress)
                break
            except Compacted as compacted:
                if not renewals_left:
                    raise
                _log.warning("%s: the state is fetched from another node", compacted)
            # More than once under load: the log may be cut anew while the snapshot is on its way.
            await self._renew()
        polling = asyncio.create_task(progress.run(), name="cluster-progress")
        self._running.push_async_callback(_end, polling)

    async def _open_log(self, binary: EtcdBinary, progress: Progress) -> None:
        self.store = await asyncio.to_thread(self._state.open, self._clock_ms())
        log = ClusterLog(
            self.store,
            self._node,
            self.snapshots,
            self._clock_ms,
            self._sources,
            self._view,
            Ways(
                self._upkeep.after_compaction,
                self._client.move_leader,
                progress.positions,
                lambda node_id: self.peers.client(node_id).status(),
            ),
            strict_reads=binary.strict_reads_needed,
            due=Due(self._raft.snapshot_logs_since_last, self._raft.etcd_quota_bytes // 8),
        )
        try:
            async with asyncio.timeout(self._patience):
                await log.start()
        except BaseException as failure:
            await log.stop()
            if isinstance(failure, TimeoutError):
                raise Unavailable(
                    f"This node did not catch up with the cluster in {self._patience:g} s; start it again."
                ) from None
            raise
        self.log = log
        self._running.push_async_callback(log.stop)

    async def _renew(self) -> None:
        cluster = self._view.seen.cluster.to_bytes(8, "big")
        await asyncio.to_thread(self._state.check, lambda store: check_joiner(store, cluster))
        this = self._node.node_id
        info = await Renewal(self.peers, self.snapshots, this, cluster, self._patience).find()
        await asyncio.to_thread(self._state.renew, info)

    def _use_sources(self, seen: Seen) -> None:
        """The own member first, unless it is a learner's, which answers nothing; then other voters.

        The last leader comes last: where the own member waits in vain, it is the likeliest to be down.
        """
        if not hasattr(self, "source"):
            return
        if seen.leader is not None:
            self._led = seen.leader.node_id
        others = [
            voter.node_id
            for voter in seen.voters
            if voter.node_id != self._node.node_id and voter.grpc_advertise
        ]
        others.sort(key=lambda node_id: node_id == self._led)
        own = None if seen.state == "Learner" else self.source
        self._sources.replace(ways(own, [self._through(node_id) for node_id in others]))

    def _voters(self) -> list[PeerClient]:
        return [self.peers.client(voter.node_id) for voter in self._view.seen.voters if voter.grpc_advertise]

    def _through(self, node_id: int) -> PeerSource:
        client = self.peers.client(node_id)
        if client not in self._peer_sources:
            self._peer_sources[client] = PeerSource(client)
        return self._peer_sources[client]

    def _addresses(self) -> dict[int, str | None]:
        return {node.node_id: node.grpc_advertise for node in self._view.seen.nodes}


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
