"""A snapshot on its way here from another node: part of a file, which outlives broken connections.

``<root>/.fetching-<term>-<node>-<index>-<hash of the file>/`` holds what has come. The name says which
file it is part of, so that pieces of two are never put together, whoever sends them. What turns out to be
wrong, or does not fit on the disk, is removed; what is whole becomes a snapshot of this node.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from diag.errors import Damaged, NewerFormat, NoSpace
from diag.kv import directory
from diag.kv.digest import hash_content, hash_file
from diag.kv.snapshot import SnapshotInfo, SnapshotStore
from diag.kv.state import Position
from diag.kv.store import Store

_FETCHING = ".fetching-"


@dataclass(frozen=True)
class SnapshotOffer:
    """A snapshot that another node holds. ``format`` is that of its directory; sizes are bytes."""

    term: int
    node_id: int
    index: int
    key_count: int
    expire_count: int
    size: int
    content_hash: str
    file_hash: str
    created_ms: int
    seconds: float
    format: int = directory.FORMAT_VERSION

    @property
    def position(self) -> Position:
        """The last entry the snapshot holds."""
        return Position(self.term, self.node_id, self.index)


class Arrival:
    """One snapshot being received into ``snapshots``: ``open``, ``add``, ``finish``; and always ``close``.

    One at a time in a directory. Every method works on files, and is for a thread. NoSpace leaves
    nothing of it behind.
    """

    def __init__(self, snapshots: SnapshotStore, offer: SnapshotOffer) -> None:
        self._snapshots = snapshots
        self._offer = offer
        self._place = _place(snapshots.root, offer)
        self._descriptor = -1
        self.received = 0

    @staticmethod
    def begun(snapshots: SnapshotStore, offer: SnapshotOffer) -> bool:
        """Whether part of this file is here."""
        return _place(snapshots.root, offer).is_dir()

    def open(self) -> None:
        """Go on with what is here of this file; parts of others are removed.

        NewerFormat for what this program cannot read.
        """
        if self._offer.format > directory.FORMAT_VERSION:
            raise NewerFormat(
                f"the snapshot has format {self._offer.format}, this program reads up to "
                f"{directory.FORMAT_VERSION}; use a newer program."
            )
        with self._kept_unless_useless():
            for other in self._snapshots.root.glob(_FETCHING + "*"):
                if other != self._place:
                    shutil.rmtree(other)
            self._place.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            self._descriptor = os.open(self._place / directory.DATA, flags, 0o644)
            self.received = os.fstat(self._descriptor).st_size
            if self.received > self._offer.size:
                os.ftruncate(self._descriptor, 0)
                self.received = 0

    def close(self) -> None:
        """Let the file go; idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def add(self, data: bytes) -> None:
        """The next piece. Raises NoSpace, or Damaged for more than there is to be."""
        with self._kept_unless_useless():
            if self.received + len(data) > self._offer.size:
                raise Damaged(
                    f"the snapshot's file is longer than the {self._offer.size} bytes it was said to be."
                )
            rest = memoryview(data)
            while rest:
                written = os.write(self._descriptor, rest)
                self.received += written
                rest = rest[written:]

    def finish(self, node_id: int | None) -> SnapshotInfo:
        """Check the file and what is in it, and make it a snapshot of node ``node_id``.

        Damaged when it is not what was offered; then nothing of it is left.
        """
        offer = self._offer
        with self._kept_unless_useless():
            os.fsync(self._descriptor)
            if hash_file(self._place / directory.DATA) != offer.file_hash:
                raise Damaged(
                    f"the file of snapshot {offer.position} did not come as it was sent: its hash differs."
                )
            directory.write_format(self._place, ready=True, node_id=node_id)
            self._check_content()
            facts = {name: value for name, value in vars(offer).items() if name != "format"}
            return self._snapshots.take_in(self._place, SnapshotInfo(path=self._place, **facts))

    def _check_content(self) -> None:
        with Store.open(self._place, readonly=True) as store, store.read() as txn:
            found, position = hash_content(txn), txn.applied()
        if (found, position) != (self._offer.content_hash, self._offer.position):
            raise Damaged(
                f"the snapshot that was offered as {self._offer.position} holds {position}, or other content "
                "than its hash says."
            )

    @contextmanager
    def _kept_unless_useless(self) -> Iterator[None]:
        try:
            with directory.explained(self._place):
                yield
        except (NoSpace, Damaged):
            shutil.rmtree(self._place, ignore_errors=True)
            raise


def _place(root: Path, offer: SnapshotOffer) -> Path:
    # The hash is another node's word: only its hex digits may become part of a path.
    digits = "".join(letter for letter in offer.file_hash if letter in "0123456789abcdef")
    return root / (_FETCHING + "-".join(map(str, offer.position)) + "-" + digits)
