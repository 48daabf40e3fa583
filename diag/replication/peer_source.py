"""The log through another node, for one whose own etcd member does not answer."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager

from diag.errors import NotImplementedHere, Unauthenticated, Unavailable
from diag.replication.peer_client import PeerClient
from diag.replication.peer_wire import SILENCE, check_record
from diag.replication.source import Entry, Head
from diag.replication.stubs import peer_pb2 as pb

#: A little more than the peer itself waits for its member: one that is silent for longer is down.
_SECONDS = 1.5


class PeerSource:
    """A ``LogSource``. ``seconds`` bound a call, ``silence`` a tail without even a sign of life."""

    def __init__(self, client: PeerClient, *, seconds: float = _SECONDS, silence: float = SILENCE) -> None:
        self._client = client
        self._seconds = seconds
        self._silence = silence

    @property
    def name(self) -> str:
        """Which node it is."""
        return self._client.name

    async def append(self, record: bytes) -> int:
        """Make the record the newest; its revision. After Unavailable it may still be taken later."""
        check_record(record)
        with _as_a_way():
            reply = await self._client.call("Append", pb.AppendRequest(record=record), self._seconds)
        return int(reply.revision)

    async def head(self) -> Head:
        """The newest record, by agreement of a majority that the other node's member asked."""
        with _as_a_way():
            reply = await self._client.call("Head", pb.HeadRequest(), self._seconds)
        leader = reply.leader if reply.HasField("leader") else None
        return Head(reply.version, reply.revision, reply.term, leader)

    async def tail(self, revision: int) -> AsyncGenerator[Sequence[Entry], None]:
        """Records of that revision and later; an empty sequence is a sign of life of the log itself."""
        stream = self._client.stream("Tail", pb.TailRequest(revision=revision), self._silence)
        try:
            while True:
                with _as_a_way():
                    reply = await stream.read()
                if reply is None:
                    return
                yield [Entry(entry.version, entry.revision, entry.record) for entry in reply.entries]
        finally:
            stream.cancel()


@contextmanager
def _as_a_way() -> Iterator[None]:
    """A node that knows no such call, or not this cluster's secret, is a way to the log that is not open."""
    try:
        yield
    except (NotImplementedHere, Unauthenticated) as refusal:
        raise Unavailable(str(refusal)) from refusal
