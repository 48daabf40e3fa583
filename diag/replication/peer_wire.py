"""What both ends of the service between nodes agree on, beside its messages."""

from diag.errors import MessageTooLarge
from diag.kv.arrival import SnapshotOffer
from diag.replication.stubs import peer_pb2 as pb

#: The metadata key of the shared secret. Its value is bytes, so that a secret may hold any letters.
SECRET_KEY = "metadiag-raft-secret-bin"  # noqa: S105  the key's name, not a secret

#: The largest record, in bytes: what an etcd member takes.
MAX_RECORD = 16 << 20

#: Pieces of what is longer: of a snapshot's file, of a response's body, and of many records together.
CHUNK = 1 << 20

#: A silent log says this often, in seconds, that it is alive; ``SILENCE`` without a word is its end.
SIGN_OF_LIFE = 1.0
SILENCE = 5.0

#: No message is longer; the difference is for what is around a record.
MAX_MESSAGE = MAX_RECORD + CHUNK


def check_record(record: bytes) -> None:
    """Raise MessageTooLarge for a record that the log would not take."""
    if len(record) > MAX_RECORD:
        raise MessageTooLarge(
            f"the record is {len(record)} bytes, above the log's limit of {MAX_RECORD}; propose less at once"
        )


def offer_message(offer: SnapshotOffer) -> pb.SnapshotFactsItem:
    """A snapshot's facts as they travel."""
    return pb.SnapshotFactsItem(**vars(offer))


def read_offer(message: pb.SnapshotFactsItem) -> SnapshotOffer:
    """The facts again."""
    return SnapshotOffer(**{name: getattr(message, name) for name in SnapshotOffer.__dataclass_fields__})
