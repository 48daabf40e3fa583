"""Every family the node serves: the names of wire protocol section 9 and of the contract's sample.

A name here is the registered one; the OpenMetrics form adds ``_total`` to a
counter. Families about peers (``raft_network``) are served where there are
peers. Of those, what a consensus of our own would know is not known here, since
etcd's members replicate among themselves: ``append_sent_seconds`` and all of
``snapshot_send_*``, ``snapshot_sent_*`` and ``snapshot_recv_*``; etcd's own
figures stand beside, under ``ETCD_PREFIX``. ``applying_snapshot`` and those about
blocks and chunks of the upstream's own storage have no counterpart either.
"""

from typing import Literal, NamedTuple

Kind = Literal["counter", "gauge", "histogram", "summary"]


class Family(NamedTuple):
    """``help`` is a sentence; ``labels`` are those of each sample, in order."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


def _families(subsystem: str, *rows: tuple[str, Kind, str]) -> tuple[Family, ...]:
    return tuple(Family(f"metasrv_{subsystem}_{name}", kind, text) for name, kind, text in rows)


SERVER = _families(
    "server",
    ("current_leader_id", "gauge", "Id of the leader, 0 when there is none."),
    ("is_leader", "gauge", "1 on the leader."),
    ("node_is_health", "gauge", "1 when this node is a leader or a follower."),
    ("leader_changes", "counter", "Leader changes seen."),
    ("proposals_applied", "gauge", "Index of the last applied log entry."),
    ("proposals_pending", "gauge", "Proposals not yet applied."),
    ("proposals_failed", "counter", "Proposals that failed."),
    ("read_failed", "counter", "Reads that failed."),
    ("last_log_index", "gauge", "Index of the last log entry."),
    ("last_seq", "gauge", "The last seq given to a record."),
    ("current_term", "gauge", "The current term."),
    ("watchers", "gauge", "Open watch streams."),
    ("snapshot_key_count", "gauge", "Keys in the last snapshot, those of its expire index included."),
    ("snapshot_primary_index_count", "gauge", "Records in the last snapshot."),
    ("snapshot_expire_index_count", "gauge", "Records with an expiry in the last snapshot."),
    ("snapshot_data_size", "gauge", "Bytes of the last snapshot."),
    ("keys", "gauge", "Records in the state machine."),
    ("db_size", "gauge", "Bytes of the state machine on disk."),
    ("raft_log_size", "gauge", "Bytes of the log on disk."),
    ("raft_log_wal_open_chunk_size", "gauge", "Bytes of the part of the log that is being written."),
    ("loop_lag_seconds", "gauge", "The latest the event loop ran in the last 10 seconds."),
)

VERSION = Family("metasrv_server_version", "gauge", "Build information.", ("component", "semver", "sha"))

STORAGE = _families(
    "raft_storage",
    ("snapshot_building", "gauge", "1 while a snapshot is written."),
    ("snapshot_written_entries", "counter", "Records written to snapshots."),
)

STORE_WRITE_FAILED = Family(
    "metasrv_raft_storage_raft_store_write_failed", "counter", "Writes that the store refused.", ("func",)
)
STORE_READ_FAILED = Family(
    "metasrv_raft_storage_raft_store_read_failed", "counter", "Reads that the store refused.", ("func",)
)

NETWORK = _families(
    "meta_network",
    ("sent_bytes", "counter", "Bytes of encoded messages sent to clients."),
    ("recv_bytes", "counter", "Bytes of encoded messages received from clients."),
    ("req_inflights", "gauge", "Calls being served."),
    ("req_success", "counter", "Calls that succeeded."),
    ("req_failed", "counter", "Calls that failed."),
    ("watch_initialization", "counter", "Items of initial flushes sent to watchers."),
    ("watch_change", "counter", "Changes sent to watchers."),
    ("stream_get_item_sent", "counter", "Items sent in reply to get."),
    ("stream_mget_item_sent", "counter", "Items sent in reply to mget."),
    ("stream_list_item_sent", "counter", "Items sent in reply to list."),
)

REPLICATION_LAG = Family(
    "metasrv_server_replication_lag", "gauge", "Log entries a node has not applied, by the leader.", ("id",)
)

RAFT_NETWORK_ACTIVE_PEERS = Family(
    "metasrv_raft_network_active_peers", "gauge", "1 when the peer's connection works.", ("id", "addr")
)
RAFT_NETWORK_FAIL_CONNECT = Family(
    "metasrv_raft_network_fail_connect_to_peer",
    "gauge",
    "Times the connection to the peer was lost.",
    ("id", "addr"),
)
RAFT_NETWORK_SENT_BYTES = Family(
    "metasrv_raft_network_sent_bytes", "counter", "Bytes sent to the peer.", ("to",)
)
RAFT_NETWORK_RECV_BYTES = Family(
    "metasrv_raft_network_recv_bytes", "counter", "Bytes received from the peer.", ("from",)
)
RAFT_NETWORK_SENT_FAILURES = Family(
    "metasrv_raft_network_sent_failures", "counter", "Messages to the peer that failed.", ("to",)
)

#: Begins the name of each figure of the node's etcd member; all are gauges, as they are copied.
ETCD_PREFIX = "metasrv_etcd_"
ETCD_HELP = "A figure of this node's etcd member, as it tells it."

RPC_DELAY_SECONDS = Family(
    "metasrv_meta_network_rpc_delay_seconds",
    "summary",
    "Time to serve a call; quantiles of the last ten minutes.",
)
RPC_DELAY_MS = Family("metasrv_meta_network_rpc_delay_ms", "histogram", "Time to serve a call in ms.")
RPC_DELAY_READ_MS = Family(
    "metasrv_meta_network_rpc_delay_read_ms", "histogram", "Time to serve a read in ms."
)
RPC_DELAY_WRITE_MS = Family(
    "metasrv_meta_network_rpc_delay_write_ms", "histogram", "Time to serve a write in ms."
)

#: Families of a node with always-on profiling.
PROFILING = _families(
    "profiling",
    ("windows", "gauge", "Windows of always-on profiling on the disk."),
    ("window_bytes", "gauge", "Bytes of those windows."),
    ("windows_kept", "counter", "Windows of always-on profiling that were kept."),
    ("windows_dropped", "counter", "Windows of always-on profiling that could not be kept."),
    ("pushes", "counter", "Windows sent to the profile server."),
    ("pushes_failed", "counter", "Attempts to send a window that failed."),
    ("pushes_dropped", "counter", "Windows that were given up before they were sent."),
)
TRIGGERS_FIRED = Family(
    "metasrv_profiling_triggers_fired", "counter", "Times a trigger kept a profile.", ("trigger",)
)

#: Families with one unlabelled sample.
PLAIN = SERVER + STORAGE + NETWORK

#: Families of a node that has peers.
RAFT_NETWORK = (
    RAFT_NETWORK_ACTIVE_PEERS,
    RAFT_NETWORK_FAIL_CONNECT,
    RAFT_NETWORK_SENT_BYTES,
    RAFT_NETWORK_RECV_BYTES,
    RAFT_NETWORK_SENT_FAILURES,
)

#: Families of every node.
ALL = (
    *PLAIN,
    VERSION,
    STORE_WRITE_FAILED,
    STORE_READ_FAILED,
    REPLICATION_LAG,
    RPC_DELAY_SECONDS,
    RPC_DELAY_MS,
    RPC_DELAY_READ_MS,
    RPC_DELAY_WRITE_MS,
)
