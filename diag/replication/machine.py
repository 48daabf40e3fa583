"""The state machine behind the cluster's log: records in, one transaction, what came of them out.

Deterministic: on every node the same records give the same state, the ledger included. A record counts only
when it is of the process that writes for its node now and follows that process's last one; so a record that
arrives twice is applied once, and one of a dead process that arrives late is not applied at all. What one
command breaks is undone for it alone, with the error as its outcome, on every node alike; only what this
node's disk refuses stops the machine, with nothing applied.
"""

import logging
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from diag.errors import MetaError, StoreError, Unavailable
from diag.kv.apply import apply
from diag.kv.commands import Blanked, Reply
from diag.kv.reading import Pin, ReadTxn
from diag.kv.records import Change
from diag.kv.state import Position
from diag.kv.store import Store
from diag.kv.writing import WriteTxn
from diag.replication.beginning import check_beginning
from diag.replication.ledger import Ledger
from diag.replication.record import (
    Author,
    BeginSnapshot,
    Enter,
    Genesis,
    LogCommand,
    Record,
    ReportSnapshot,
    decode,
)
from diag.replication.source import Entry

Result: TypeAlias = tuple[Reply, Sequence[Change]] | MetaError

_log = logging.getLogger(__name__)


class Outcome(NamedTuple):
    """One record applied, or passed over (``taken`` False). The results' indexes end at ``last.index``."""

    author: Author
    taken: bool
    results: Sequence[Result]
    last: Position
    snapshot: Pin | None = None


class Figures(NamedTuple):
    """The state's own figures after the last record."""

    applied: Position
    seq: int
    key_count: int
    ledger: Ledger


class Machine:
    """Applies records to a store. For one thread at a time; ``cluster`` names the log they are of."""

    def __init__(self, store: Store, cluster: bytes = b"") -> None:
        self._store = store
        self.cluster = cluster

    def figures(self) -> Figures:
        """What the store holds."""
        with self._store.read() as txn:
            return _figures(txn)

    def apply(self, entries: Sequence[Entry]) -> tuple[list[Outcome], Figures]:
        """Apply entries that follow each other and the last one applied, as far as one transaction goes.

        A snapshot command ends it: what comes after is the caller's to hand in again. Raises StoreError
        with nothing applied when the disk refuses, Damaged for what is no record. With the log's first
        record: Compacted when it goes on from a state that is not here, Damaged when another one is.
        """
        records = [decode(entry.record) for entry in entries]
        if entries and entries[0].version == 1:
            check_beginning(self._store, records[0])
        try:
            return self._together(entries, records)
        except (StoreError, MemoryError):
            raise
        except Exception:  # noqa: BLE001 - whatever broke one command, the others are to go on
            _log.exception("A command could not be applied; the records are applied one command at a time")
            return self._together(entries, records, apart=True)

    def _together(
        self, entries: Sequence[Entry], records: Sequence[Record], apart: bool = False
    ) -> tuple[list[Outcome], Figures]:
        outcomes: list[Outcome] = []
        marked = False
        with self._store.write() as txn:
            ledger = Ledger.unpack(txn.log_state())
            ledger.cluster = self.cluster
            for entry, record in zip(entries, records, strict=True):
                outcomes.append(_record(txn, ledger, record, apart))
                ledger.version, ledger.revision = entry.version, entry.revision
                marked = outcomes[-1].taken and BeginSnapshot in map(type, record.commands)
                if marked:
                    # The snapshot holds all of the record, so its place is the record's end.
                    ledger.mark(outcomes[-1].last.index, entry.revision)
                    break
            txn.set_log_state(ledger.pack())
            figures = Figures(txn.applied(), txn.seq(), txn.key_count(), ledger)
        if marked:
            outcomes[-1] = outcomes[-1]._replace(snapshot=self._store.pin())
        return outcomes, figures


def _record(txn: WriteTxn, ledger: Ledger, record: Record, apart: bool) -> Outcome:
    if not _admit(ledger, record):
        return Outcome(record.author, False, (), txn.applied())
    before = txn.applied()
    term, leader = max((before.term, before.node_id), (record.term, record.leader))
    one = _alone if apart else _command
    results = [one(txn, ledger, record, command) for command in record.commands]
    last = Position(term, leader, before.index + len(results))
    txn.set_applied(last)
    return Outcome(record.author, True, results, last)


def _admit(ledger: Ledger, record: Record) -> bool:
    """Whether the record counts; the ledger then knows its author's number."""
    node_id, incarnation, number = record.author
    current, last = ledger.writers.get(node_id, (b"", 0))
    first = record.commands[0] if record.commands else None
    if type(first) is Enter:
        if first.after != current or incarnation == current:
            return False
    elif incarnation != current or number != last + 1:
        return False
    ledger.writers[node_id] = (incarnation, number)
    return True


def _command(txn: WriteTxn, ledger: Ledger, record: Record, command: LogCommand) -> Result:
    if isinstance(command, (Enter, BeginSnapshot, Genesis)):
        return Blanked(), ()
    if isinstance(command, ReportSnapshot):
        ledger.report(record.author.node_id, command.index, command.content_hash)
        return Blanked(), ()
    return apply(txn, command, record.time_ms)


def _alone(txn: WriteTxn, ledger: Ledger, record: Record, command: LogCommand) -> Result:
    try:
        with txn.attempt() as inner:
            return _command(inner, ledger, record, command)
    except (StoreError, MemoryError):
        raise  # this node's own trouble, which the others do not have
    except MetaError as failure:
        return failure
    except Exception as failure:  # noqa: BLE001 - whatever broke one command, the others are to go on
        _log.error("A command was applied as a failure: %r", failure)
        return Unavailable(f"The command could not be applied: {failure!r}.")


def _figures(txn: ReadTxn) -> Figures:
    return Figures(txn.applied(), txn.seq(), txn.key_count(), Ledger.unpack(txn.log_state()))
