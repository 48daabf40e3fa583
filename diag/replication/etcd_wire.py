"""etcd's answers as plain values, and its errors as ours.

The same gRPC code means several things in etcd, so its sentence is read too; the
sentences have been stable since 3.3. Where the code is UNAVAILABLE or the time was up,
**the outcome of a write is unknown**: it may be committed, or may still be.
"""

from collections.abc import Iterable
from typing import NamedTuple

import grpc

from diag.errors import (
    Compacted,
    Conflict,
    Damaged,
    EtcdFailed,
    Forbidden,
    InvalidRequest,
    MessageTooLarge,
    MetaError,
    NoSpace,
    NotFound,
    NotInTime,
    Unavailable,
)
from diag.replication.stubs import etcd_pb2 as pb
from diag.replication.unreached import plainly


class Header(NamedTuple):
    """Who answered, and when: the store's revision and the raft term at the time of the answer."""

    cluster_id: int
    member_id: int
    revision: int
    raft_term: int


class Entry(NamedTuple):
    """One state of one key. ``version`` counts the key's writes from 1, without a gap."""

    key: bytes
    value: bytes
    mod_revision: int
    version: int


class Found(NamedTuple):
    """The entries of a read."""

    header: Header
    entries: tuple[Entry, ...]

    @property
    def first(self) -> Entry | None:
        return self.entries[0] if self.entries else None


class Change(NamedTuple):
    """One event of a watch; a deletion has an empty value and version 0."""

    deleted: bool
    entry: Entry


class Batch(NamedTuple):
    """Whole revisions in order. Without changes: all up to the header's revision were seen."""

    header: Header
    changes: tuple[Change, ...]


class Member(NamedTuple):
    """One member of the cluster; its name is empty until it has started once."""

    member_id: int
    name: str
    peer_urls: tuple[str, ...]
    learner: bool
    client_urls: tuple[str, ...] = ()


class MemberStatus(NamedTuple):
    """What one member says of itself. ``leader`` is 0 when it knows none; sizes are bytes of its database."""

    header: Header
    version: str
    leader: int
    raft_index: int
    raft_term: int
    applied_index: int
    learner: bool
    db_size: int
    db_in_use: int
    errors: tuple[str, ...]

    @property
    def is_leader(self) -> bool:
        return self.leader == self.header.member_id


class Alarm(NamedTuple):
    """An alarm raised by a member: ``NOSPACE`` or ``CORRUPT``."""

    member_id: int
    kind: str


class HashFacts(NamedTuple):
    """The hash of a member's history from ``compact_revision`` up to the revision asked."""

    header: Header
    value: int
    compact_revision: int


def header(message: pb.ResponseHeader) -> Header:
    return Header(message.cluster_id, message.member_id, message.revision, message.raft_term)


def entry(message: pb.KeyValue) -> Entry:
    return Entry(message.key, message.value, message.mod_revision, message.version)


def change(message: pb.Event) -> Change:
    return Change(message.type == pb.Event.DELETE, entry(message.kv))


def members(listed: Iterable[pb.Member]) -> tuple[Member, ...]:
    return tuple(
        Member(one.ID, one.name, tuple(one.peerURLs), one.isLearner, tuple(one.clientURLs)) for one in listed
    )


def status(message: pb.StatusResponse) -> MemberStatus:
    return MemberStatus(
        header(message.header),
        message.version,
        message.leader,
        message.raftIndex,
        message.raftTerm,
        message.raftAppliedIndex,
        message.isLearner,
        message.dbSize,
        message.dbSizeInUse,
        tuple(message.errors),
    )


_BY_SENTENCE: tuple[tuple[str, type[MetaError]], ...] = (
    ("database space exceeded", NoSpace),
    ("request is too large", MessageTooLarge),
    ("larger than max", MessageTooLarge),
    ("unhealthy cluster", Conflict),
    ("can only promote a learner", Conflict),
    ("not supported for learner", Conflict),
    ("too many requests", Unavailable),
    ("corrupt", Damaged),
)
_BY_CODE: dict[grpc.StatusCode, type[MetaError]] = {
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.CANCELLED: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: NotInTime,
    grpc.StatusCode.RESOURCE_EXHAUSTED: MessageTooLarge,
    grpc.StatusCode.FAILED_PRECONDITION: Conflict,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.OUT_OF_RANGE: InvalidRequest,
    grpc.StatusCode.DATA_LOSS: Damaged,
    grpc.StatusCode.PERMISSION_DENIED: Forbidden,
    grpc.StatusCode.UNAUTHENTICATED: Forbidden,
}


def translated(error: grpc.aio.AioRpcError, doing: str) -> MetaError:
    """The error of our tree for what etcd answered; ``doing`` begins its sentence."""
    said = plainly(error.details() or error.code().name)
    sentence = f"{doing}: {said}"
    if "required revision has been compacted" in said:
        return Compacted(f"{sentence}; what was there is in the snapshots", 0)
    for part, kind in _BY_SENTENCE:
        if part in said:
            return kind(sentence)
    return _BY_CODE.get(error.code(), EtcdFailed)(sentence)
