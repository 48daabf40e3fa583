"""NDJSON lines back into a store; wire protocol section 7.

The store is built beside its place and put into it when all lines were good, so
a bad line, a full disk or a crash leaves what was there.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import from_json

from diag.errors import InvalidRequest, StoreError
from diag.kv import directory, expiry
from diag.kv.apply import apply, validate
from diag.kv.export import HEADER, RAFT_LOG, STATE_MACHINE
from diag.kv.logentry import command_of, data_of
from diag.kv.records import MAX_KEY_BYTES, Record
from diag.kv.replacement import Replacement, recover
from diag.kv.state import Position
from diag.kv.store import DEFAULT_MAP_SIZE, Store
from diag.kv.wholeness import Wholeness
from diag.kv.writing import WriteTxn

_VERSIONS = ("V002", "V003", "V004")
_TXN_LINES = 20_000


class ImportSummary(NamedTuple):
    """What an import made; ``nodes`` are the exported members, by id, in the form of the lines."""

    keys: int
    seq: int
    applied: Position
    nodes: dict[int, dict[str, Any]]


def import_lines(
    lines: Iterable[str],
    target: Path,
    *,
    overwrite: bool = False,
    node_id: int | None = None,
    map_size: int = DEFAULT_MAP_SIZE,
) -> ImportSummary:
    """Build a store in ``target`` from exported lines; snapshots beside it are of what it replaces, and go.

    It is for node ``node_id``; by default for the one whose directory it replaces, and without
    such a one for the first node that opens it.
    Raises ``InvalidRequest`` naming the first bad line, or what shows that lines are missing
    (``diag.kv.wholeness`` says what cannot show it), and ``StoreError`` when ``target`` holds
    anything and ``overwrite`` is false; it is then as it was.
    """
    with directory.explained(target):
        recover(target)
    if target.exists() and any(target.iterdir()) and not overwrite:
        raise StoreError(f"{target} is not empty; import into a new directory, or say to overwrite it.")
    with directory.explained(target), closing(Replacement(target)) as new:
        made_for = _owner(target) if node_id is None else node_id
        with Store.open(new.store, node_id=made_for, map_size=map_size) as store:
            summary = _Import(store).run(lines)
        new.put_in_place()
    return summary


def _owner(target: Path) -> int | None:
    try:
        return directory.owner(target)
    except StoreError:
        return None  # there is none, or one that nobody could open


class _Import:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._applied = Position()
        self._nodes: dict[int, dict[str, Any]] = {}
        self._entries: list[tuple[int, Position, Any]] = []

    def run(self, lines: Iterable[str]) -> ImportSummary:
        numbered = _parsed(lines)
        self._whole = Wholeness(_version(next(numbered, None)))
        going = True
        while going:
            with self._store.write() as txn:
                going = self._take(txn, numbered)
        with self._store.write() as txn:
            self._finish(txn)
        with self._store.read() as done:
            return ImportSummary(done.key_count(), done.seq(), done.applied(), self._nodes)

    def _take(self, txn: WriteTxn, numbered: Iterator[tuple[int, str, str, Any]]) -> bool:
        """Take the lines of one transaction; whether there may be more."""
        for _ in range(_TXN_LINES):
            line = next(numbered, None)
            if line is None:
                return False
            number, tree, kind, value = line
            try:
                self._line(txn, number, tree, kind, value)
            except (KeyError, TypeError, ValueError) as failure:
                raise _bad(number, f"its {kind} has not the form expected ({failure!r})") from None
        return True

    def _line(self, txn: WriteTxn, number: int, tree: str, kind: str, value: Any) -> None:
        self._whole.see(tree, kind, value)
        if (tree, kind) == (STATE_MACHINE, "GenericKV"):
            _put(txn, value["key"], value["value"])
        elif (tree, kind) == (STATE_MACHINE, "StateMachineMeta"):
            if value["key"] == "LastApplied":
                self._applied = _position(value["value"]["LogId"])
        elif (tree, kind) == (STATE_MACHINE, "Nodes"):
            self._nodes[int(value["key"])] = dict(value["value"])
        elif (tree, kind) == (RAFT_LOG, "LogEntry"):
            self._entries.append((number, _position(value["log_id"]), value["payload"]))
        elif (tree, kind) not in _WITHOUT_STATE:
            raise _bad(number, f"a {kind} in tree {tree!r} is unknown")

    def _finish(self, txn: WriteTxn) -> None:
        """Set the counters, then apply the entries the state does not hold yet."""
        self._whole.check_state(txn)
        txn.set_seq(max(self._whole.counter or 0, txn.seq()))
        txn.set_applied(self._applied)
        for number, position, payload in self._entries:
            if position.index <= txn.applied().index:
                continue
            try:
                self._apply(txn, payload)
            except (KeyError, TypeError, ValueError, InvalidRequest) as failure:
                raise _bad(number, f"its entry cannot be applied ({failure})") from None
            txn.set_applied(position)
        self._whole.check_log(txn)

    def _apply(self, txn: WriteTxn, payload: Any) -> None:
        if payload == "Blank" or "Membership" in payload:
            return
        normal = payload["Normal"]
        command = command_of(normal["cmd"])
        if command is not None:
            validate(command)
            apply(txn, command, int(normal["time_ms"]))


#: Lines that make nothing of themselves: the expiry index is rebuilt from the records.
_WITHOUT_STATE = frozenset(
    {(RAFT_LOG, kind) for kind in ("NodeId", "Vote", "Committed", "Purged")}
    | {(STATE_MACHINE, kind) for kind in ("Expire", "Sequences")}
)


def _put(txn: WriteTxn, key: str, value: Mapping[str, Any]) -> None:
    if not isinstance(key, str) or len(key.encode()) > MAX_KEY_BYTES:
        raise ValueError(f"a key is a string of at most {MAX_KEY_BYTES} bytes")
    meta = value["meta"] or {}
    seq = _u64(value["seq"])
    record = Record(
        seq, data_of(value["data"]), _u64(meta.get("expire_at")), _u64(meta.get("proposed_at_ms"))
    )
    if not seq:
        raise ValueError("a record's seq is above 0")
    expiry.write(txn, key, txn.get(key), record)
    txn.set_seq(max(txn.seq(), seq))


def _u64(number: Any) -> Any:
    if number is not None and not (isinstance(number, int) and 0 <= number <= expiry.U64_MAX):
        raise ValueError(f"{number!r} is no number from 0 to {expiry.U64_MAX}")
    return number


def _position(form: Mapping[str, Any]) -> Position:
    leader = form["leader_id"]
    return Position(_u64(leader["term"]), _u64(leader["node_id"]), _u64(form["index"]))


def _parsed(lines: Iterable[str]) -> Iterator[tuple[int, str, str, Any]]:
    """(line number, tree, kind, value) of each line that is not blank."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            tree, entry = from_json(line)
            ((kind, value),) = entry.items()
        except (ValueError, TypeError, AttributeError) as failure:
            cut = "" if line.endswith("\n") else "; it has no line end, so the export may be cut off in it"
            raise _bad(number, f"it is not a [tree, {{kind: value}}] array ({failure}){cut}") from None
        yield number, tree, kind, value


def _version(header: tuple[int, str, str, Any] | None) -> str:
    if header is None:
        raise InvalidRequest("There are no lines to import; the first one is to be a header.")
    number, tree, kind, value = header
    if (tree, kind) != (HEADER, "DataHeader"):
        raise _bad(number, f"it is a {kind}, and the first line is to be the header")
    try:
        version = value["value"]["version"]
    except (KeyError, TypeError):
        raise _bad(number, "its header names no version") from None
    if version not in _VERSIONS:
        raise _bad(number, f"data version {version!r} is not taken, only {', '.join(_VERSIONS)}")
    return str(version)


def _bad(number: int, what: str) -> InvalidRequest:
    return InvalidRequest(f"Line {number} cannot be imported: {what}. Nothing was changed.")
