"""The nodes as rows of a table, each with what is wrong with it, and one sentence about them all."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from diag.admin.dashboard import words
from diag.errors import MetaError, NotInTime, Unavailable
from diag.replication import NodeAddress

#: Entries of the log that a node may be behind without a word: what a busy cluster has on its way.
FEW_ENTRIES: Final = 1000
#: Seconds by which a loop may be late without a word.
SHORT_LAG: Final = 0.5

#: In the place of the state of a node that does not answer, and of one that is still being asked.
SILENT: Final = "No answer"
PENDING: Final = "Asking"

#: What a node told, or why it told nothing.
Told = tuple[NodeAddress, Mapping[str, Any] | MetaError]


class Column(NamedTuple):
    """``key`` names the cell in a row; ``hint`` is for who wonders."""

    key: str
    title: str
    hint: str


COLUMNS: Final = (
    Column("state", "State", "The node's part in the cluster"),
    Column("term", "Term", "Grows with each election"),
    Column("applied", "Applied", "Index of the last entry in the node's state"),
    Column("lag", "Behind", "Entries that another node has and this one has not applied"),
    Column("keys", "Keys", "Records in the state machine"),
    Column("db", "Size", "Bytes on disk of the state machine"),
    Column("snapshot", "Snapshot", "Age of the last snapshot"),
    Column("rate", "Calls/s", "Calls answered a second, over the last ten seconds"),
    Column("p99", "p99", "99 % of the calls of the last ten seconds were as fast"),
    Column("loop", "Loop lag", "By how much the event loop was late, at worst in the last ten seconds"),
    Column("cpu", "CPU", "Of one processor, over the last ten seconds"),
    Column("rss", "Memory", "Bytes of the process in memory"),
    Column("watchers", "Watchers", "Open watch streams"),
)


class Row(NamedTuple):
    """``level`` is good, warn or bad, and ``notes`` say why; ``cells`` are by ``COLUMNS``.

    ``can_lead`` is true of a voter that follows and answers. ``profiles`` is another word when the node's
    list of profiles has changed, empty where it tells nothing.
    """

    id: int
    name: str
    level: str
    notes: Sequence[str]
    leads: bool
    can_lead: bool
    cells: Mapping[str, str]
    profiles: str = ""


class Overview(NamedTuple):
    """All that the cluster page shows and keeps live; ``leader`` is the id of the node that leads."""

    level: str
    headline: str
    leader: int | None
    rows: Sequence[Row]

    def as_dict(self) -> dict[str, Any]:
        """Only JSON types."""
        return {**self._asdict(), "rows": [row._asdict() for row in self.rows]}


def overview(told: Sequence[Told], own: int, now: float | None = None, *, in_haste: bool = False) -> Overview:
    """Rows in the order given. ``own`` is the node that shows them, whose members count.

    ``in_haste`` nobody was waited for, so a node that is late is not yet one that does not answer.
    """
    moment = time.time() if now is None else now
    statuses = {node.node_id: of["status"] for node, of in told if isinstance(of, Mapping)}
    newest = max((status["last_log_index"] for status in statuses.values()), default=0)
    voters = {voter["name"] for voter in statuses.get(own, {}).get("voters", [])}
    rows = [_row(node, _patient(of) if in_haste else of, newest, voters, moment) for node, of in told]
    leader = _leader(rows)
    level = max((row.level for row in rows), key=_LEVELS.index)
    headline = _headline(rows, leader, _named(statuses.values()))
    return Overview(level, headline, leader.id if leader else None, rows)


def require_vitals(content: Any) -> Mapping[str, Any]:
    """``content`` when it is what ``/debug/vitals`` tells. Unavailable if not: a node may say anything."""
    try:
        _cells(content["status"], content["figures"] or {}, 0, 0.0)
        _complaints(content["status"], content["figures"] or {}, 0)
        sound = isinstance(content["status"]["is_leader"], bool) and all(
            isinstance(voter["name"], str) for voter in content["status"]["voters"]
        )
        leader = content["status"]["leader"]
        sound = sound and (leader is None or isinstance(leader["name"], str))
        content["status"]["last_log_index"] - content["status"]["last_applied"]["index"]
    except (AttributeError, KeyError, TypeError, ValueError):
        sound = False
    if not sound:
        raise Unavailable("Its answer tells nothing that this version knows how to read.")
    return content  # type: ignore[no-any-return]


_LEVELS: Final = ("good", "warn", "bad")
_LONGEST_STATE: Final = 20


class _Pending(NotInTime):
    """A node that is late, and was not waited for."""


def _patient(of: Mapping[str, Any] | MetaError) -> Mapping[str, Any] | MetaError:
    return _Pending("It has not answered yet.") if isinstance(of, NotInTime) else of


def _row(
    node: NodeAddress, of: Mapping[str, Any] | MetaError, newest: int, voters: set[str], now: float
) -> Row:
    about = (node.node_id, node.name)
    if isinstance(of, MetaError):
        unknown = dict.fromkeys((column.key for column in COLUMNS), words.UNKNOWN)
        if isinstance(of, _Pending):
            return Row(*about, "warn", [str(of)], False, False, unknown | {"state": PENDING})
        return Row(*about, "bad", [str(of)], False, False, unknown | {"state": SILENT})
    status, figures = of["status"], of["figures"] or {}
    lag = max(0, newest - status["last_applied"]["index"])
    complaints = _complaints(status, figures, lag)
    level = max((level for level, _ in complaints), key=_LEVELS.index, default="good")
    cells = _cells(status, figures, lag, now)
    can_lead = node.name in voters and status["state"] == "Follower"
    notes = [says for _, says in complaints]
    return Row(*about, level, notes, status["is_leader"], can_lead, cells, _profiles(of))


def _profiles(of: Mapping[str, Any]) -> str:
    """A node of an older version says nothing of them, and one that lies says what is too long."""
    return str(of.get("profiles", ""))[:_LONGEST_STATE]


def _cells(status: Mapping[str, Any], figures: Mapping[str, Any], lag: int, now: float) -> dict[str, str]:
    snapshot = status["snapshot"]
    return {
        "state": str(status["state"])[:_LONGEST_STATE],
        "term": words.whole(status["current_term"]),
        "applied": words.whole(status["last_applied"]["index"]),
        "lag": words.whole(lag),
        "keys": words.whole(status["key_count"]),
        "db": words.size(status["db_size"]),
        "snapshot": words.age(max(0.0, now - snapshot["created_ms"] / 1000)) if snapshot else "none",
        "rate": words.rate(figures.get("rate")),
        "p99": words.duration(figures.get("p99")),
        "loop": words.duration(figures.get("loop_lag")),
        "cpu": words.share(figures.get("cpu")),
        "rss": words.size(figures.get("rss")),
        "watchers": words.whole(figures.get("watchers")),
    }


def _complaints(status: Mapping[str, Any], figures: Mapping[str, Any], lag: int) -> list[tuple[str, str]]:
    found = []
    if "removed" in status:
        found.append(("bad", str(status["removed"])))
    elif status["leader"] is None:
        found.append(("bad", "It knows no leader, so it takes no writes."))
    if lag > FEW_ENTRIES:
        found.append(("warn", f"It is {lag:,} entries behind."))
    late = figures.get("loop_lag") or 0.0
    if late > SHORT_LAG:
        found.append(("warn", f"Its event loop was {words.duration(late)} late."))
    return found


def _leader(rows: Sequence[Row]) -> Row | None:
    """Of two that say they lead, the one of the later term."""
    leaders = [row for row in rows if row.leads]
    return max(leaders, key=lambda row: int(row.cells["term"].replace(",", "")), default=None)


def _named(statuses: Iterable[Mapping[str, Any]]) -> str | None:
    """The leader that the nodes name, the one of the latest term."""
    naming = [status for status in statuses if status["leader"] is not None]
    latest = max(naming, key=lambda status: status["current_term"], default=None)
    return None if latest is None else str(latest["leader"]["name"])


def _headline(rows: Sequence[Row], leader: Row | None, named: str | None) -> str:
    silent = [row.name for row in rows if row.cells["state"] in (SILENT, PENDING)]
    whole = "The node answers" if len(rows) == 1 else f"All {len(rows)} nodes answer"
    answering = (
        f"{len(rows) - len(silent)} of {len(rows)} nodes answer; not {_listed(silent)}" if silent else whole
    )
    if leader is None and named in silent:
        late = any(row.name == named and row.cells["state"] == PENDING for row in rows)
        return (
            f"{answering}. Node {named} leads, and {'has not answered yet' if late else 'does not answer'}."
        )
    if leader is None:
        return f"{answering}. No leader."
    return f"{answering}. Node {leader.name} leads in term {leader.cells['term']}.{_trouble(rows, silent)}"


def _trouble(rows: Sequence[Row], silent: Sequence[str]) -> str:
    """What is wrong with the nodes that answer: the worst in words, the others by name."""
    troubled = [row for row in rows if row.notes and row.name not in silent]
    if not troubled:
        return ""
    worst = max(troubled, key=lambda row: _LEVELS.index(row.level))
    others = [row.name for row in troubled if row is not worst]
    more = f" See also {_listed(others)} below." if others else ""
    return f" Node {worst.name}: {' '.join(worst.notes)}{more}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
