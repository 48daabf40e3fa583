"""What etcd's Status call does not tell: the raft state, per-peer progress, timings.

They come from ``/debug/vars`` and ``/metrics`` at the member's client address. The first is
no contract of etcd's: where it does not answer as known, ``raft_state`` is empty and the
caller falls back on Status (no leader means a candidate).
"""

import json
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from diag.errors import EtcdFailed

_METRICS_EVERY = 5.0
#: The page has some 1,700 lines, of which 30 are wanted: the search passes over the others by itself.
_SAMPLE = re.compile(
    r"\n(etcd_(?:server_(?:leader_changes_seen|proposals_failed|slow_apply)_total|server_proposals_pending"
    r"|server_quota_backend_bytes|disk_(?:wal_fsync|backend_commit)_duration_seconds_(?:count|sum)"
    r"|network_(?:peer_round_trip_time_seconds_(?:count|sum)|peer_(?:sent|received)_bytes_total"
    r"|peer_sent_failures_total|disconnected_peers_total|active_peers)))"
    r'(?:\{(?:[^}\n]*?\b(?:To|From|Remote)="([^"\n]*)")?[^}\n]*\})? (\S+)'
)


@dataclass(frozen=True)
class Timing:
    """A histogram since the member's start: how many, and seconds in all."""

    count: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Progress:
    """How far the leader knows a member to be: the highest raft index that it is known to hold."""

    match: int
    state: str


@dataclass(frozen=True)
class PeerFacts:
    """What a member counted of another since its own start; ``active`` is 1 while they are connected."""

    round_trip: Timing = Timing()
    sent_bytes: int = 0
    received_bytes: int = 0
    sent_failures: int = 0
    lost: int = 0
    active: int = 0


@dataclass(frozen=True)
class EtcdFacts:
    """One reading. Counts begin anew when the etcd process does; ids are member ids."""

    raft_state: str = ""  # Leader, Follower, Candidate, PreCandidate
    vote: int = 0
    progress: dict[int, Progress] = field(default_factory=dict)  # on the leader only
    leader_changes: int = 0
    proposals_pending: int = 0
    proposals_failed: int = 0
    slow_applies: int = 0
    wal_fsync: Timing = Timing()
    backend_commit: Timing = Timing()
    peers: dict[int, PeerFacts] = field(default_factory=dict)
    quota_bytes: int = 0


class FactsReader:
    """Reads the facts of the member at ``endpoint`` (``unix:/path`` or ``host:port``).

    Counts and timings are up to 5 s old while nothing changes in the raft group: their page is 160 KB, and
    to write and read it at every look took a tenth of a core from an idle node.
    """

    def __init__(
        self, endpoint: str, timeout: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        path = endpoint.removeprefix("unix:") if endpoint.startswith("unix:") else None
        self._client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=path),
            base_url="http://localhost" if path else f"http://{endpoint}",
            timeout=timeout,
        )
        self._clock = clock
        self._metrics = ""
        self._metrics_at = -math.inf
        self._standing: object = None

    async def close(self) -> None:
        await self._client.aclose()

    async def read(self) -> EtcdFacts:
        """The facts now; EtcdFailed when the member does not answer."""
        try:
            raft = raft_status((await self._client.get("/debug/vars")).text)
            await self._refresh([raft.get(name) for name in ("raftState", "term", "lead")])
        except httpx.HTTPError as error:
            raise EtcdFailed(f"etcd does not tell its metrics: {error or type(error).__name__}") from None
        return facts(self._metrics, raft)

    async def _refresh(self, standing: object) -> None:
        now = self._clock()
        if standing != self._standing or now - self._metrics_at >= _METRICS_EVERY:
            self._metrics = (await self._client.get("/metrics")).text
            self._standing, self._metrics_at = standing, now


def facts(metrics: str, raft: Mapping[str, Any]) -> EtcdFacts:
    """The facts in the metrics page and in the raft status; what they lack keeps its default."""
    values, of_peers = _samples(metrics)

    def count(name: str) -> int:
        return int(values.get(name, 0))

    def timing(name: str) -> Timing:
        return Timing(count(f"{name}_count"), values.get(f"{name}_sum", 0.0))

    return EtcdFacts(
        raft_state=str(raft.get("raftState", "")).removeprefix("State"),
        vote=int(raft.get("vote", "0"), 16),
        progress={
            int(member, 16): Progress(at.get("match", 0), at.get("state", ""))
            for member, at in raft.get("progress", {}).items()
        },
        leader_changes=count("etcd_server_leader_changes_seen_total"),
        proposals_pending=count("etcd_server_proposals_pending"),
        proposals_failed=count("etcd_server_proposals_failed_total"),
        slow_applies=count("etcd_server_slow_apply_total"),
        wal_fsync=timing("etcd_disk_wal_fsync_duration_seconds"),
        backend_commit=timing("etcd_disk_backend_commit_duration_seconds"),
        peers={int(peer, 16): _peer(samples) for peer, samples in of_peers.items()},
        quota_bytes=count("etcd_server_quota_backend_bytes"),
    )


def _samples(page: str) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Values by name, and those of a peer by its id and name."""
    values: dict[str, float] = {}
    of_peers: dict[str, dict[str, float]] = {}
    for sample in _SAMPLE.finditer(page):
        name, peer, value = sample.groups()
        (values if peer is None else of_peers.setdefault(peer, {}))[name] = float(value)
    # The received bytes of nobody in particular stand under an id of zero.
    return values, {peer: samples for peer, samples in of_peers.items() if int(peer, 16)}


def _peer(samples: Mapping[str, float]) -> PeerFacts:
    def count(name: str) -> int:
        return int(samples.get(f"etcd_network_{name}", 0))

    return PeerFacts(
        round_trip=Timing(
            count("peer_round_trip_time_seconds_count"),
            samples.get("etcd_network_peer_round_trip_time_seconds_sum", 0.0),
        ),
        sent_bytes=count("peer_sent_bytes_total"),
        received_bytes=count("peer_received_bytes_total"),
        sent_failures=count("peer_sent_failures_total"),
        lost=count("disconnected_peers_total"),
        active=count("active_peers"),
    )


def raft_status(variables: str) -> dict[str, Any]:
    """The raft status in the page of variables; empty where it does not stand there as known."""
    try:
        status = json.loads(variables)["raft.status"]
    except (ValueError, KeyError, TypeError):
        return {}
    return status if isinstance(status, dict) else {}
