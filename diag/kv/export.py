"""A state as NDJSON lines, each a ``[tree, entry]`` array; wire protocol section 7."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from pydantic_core import to_json

from diag.kv.reading import ReadTxn
from diag.kv.records import Record
from diag.kv.state import Position
from diag.kv.store import Store

DATA_VERSION = "V004"
HEADER = "header"
RAFT_LOG = "raft_log"
STATE_MACHINE = "state_machine/0"


class Member(Protocol):
    """A node as the lines name it."""

    @property
    def node_id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def raft_host(self) -> str: ...
    @property
    def raft_port(self) -> int: ...
    @property
    def grpc_advertise(self) -> str | None: ...


def export_lines(store: Store, members: Sequence[Member]) -> Iterator[str]:
    """The lines of one state, without line ends: header, log, system data, expiry, records in key order.

    Nothing of the log is left to export: every entry of the state is in its records.
    One read transaction is held: export a snapshot, not the live store.
    """
    yield _line(HEADER, "DataHeader", {"key": "header", "value": {"version": DATA_VERSION}})
    with store.read() as txn:
        yield from _log_lines(txn.applied())
        yield from _system_lines(txn, members)
        for expire_ms, seq, key in txn.expiries():
            place = {"time_ms": expire_ms, "seq": seq}
            yield _line(STATE_MACHINE, "Expire", {"key": place, "value": {"seq": seq, "key": key}})
        for key, record in txn.scan():
            yield _line(STATE_MACHINE, "GenericKV", {"key": key, "value": _record(record)})


def log_id_json(position: Position) -> dict[str, Any]:
    """A log id in the form of the lines."""
    return {
        "leader_id": {"term": position.term, "node_id": position.node_id},
        "index": position.index,
    }


def _log_lines(applied: Position) -> Iterator[str]:
    log_id = log_id_json(applied) if applied.index else None
    vote = {"leader_id": {"term": applied.term, "node_id": applied.node_id}, "committed": True}
    yield _line(RAFT_LOG, "NodeId", applied.node_id)
    yield _line(RAFT_LOG, "Vote", vote if applied.index else None)
    yield _line(RAFT_LOG, "Committed", log_id)
    yield _line(RAFT_LOG, "Purged", log_id)


def _system_lines(txn: ReadTxn, members: Sequence[Member]) -> Iterator[str]:
    applied = txn.applied()
    yield _line(STATE_MACHINE, "Sequences", {"key": "generic-kv", "value": txn.seq()})
    if applied.index:
        log_id = log_id_json(applied)
        membership = {
            "configs": [[member.node_id for member in members]],
            "nodes": {str(member.node_id): {} for member in members},
        }
        yield _meta_line("LastApplied", {"LogId": log_id})
        yield _meta_line("LastMembership", {"Membership": {"log_id": log_id, "membership": membership}})
    for member in members:
        node = {
            "name": member.name,
            "endpoint": {"addr": member.raft_host, "port": member.raft_port},
            "grpc_api_advertise_address": member.grpc_advertise,
        }
        yield _line(STATE_MACHINE, "Nodes", {"key": member.node_id, "value": node})


def _meta_line(key: str, value: dict[str, Any]) -> str:
    return _line(STATE_MACHINE, "StateMachineMeta", {"key": key, "value": value})


def _record(record: Record) -> dict[str, Any]:
    meta = {
        name: value
        for name, value in (("expire_at", record.expire_at), ("proposed_at_ms", record.proposed_at_ms))
        if value is not None
    }
    return {"seq": record.seq, "meta": meta or None, "data": list(record.data)}


def _line(tree: str, kind: str, value: object) -> str:
    return to_json([tree, {kind: value}]).decode()
