"""Whether lines that ended are a whole export: what they say of themselves, compared with what came.

The format has no end mark, and every whole line of a cut file is a good line. So only these are found,
each of which no whole export shows, whoever wrote it:

* a last line that is cut itself (``diag.kv.importer``; the other checks are here);
* a log that was purged or committed up to an entry which neither the state nor the entries reach;
* records without the counter of seqs, which stands before them, or above it;
* of the present format, no record for the last key of the expiry index, which stands before the records.

What is not found is a cut between two records behind the last key that expires. Who writes an export
is to write it to another name first, as ``diag export --db`` does, or to look at the exit code.
"""

from typing import Any

from diag.errors import InvalidRequest
from diag.kv.export import DATA_VERSION, RAFT_LOG, STATE_MACHINE
from diag.kv.reading import ReadTxn

_COUNTER = "generic-kv"


class Wholeness:
    """Sees each line of an export of format ``version``; raises InvalidRequest when asked."""

    def __init__(self, version: str) -> None:
        # Older formats are not known well enough to say that their expiry index names no key in vain.
        self._has_sound_index = version == DATA_VERSION
        self._last_expiring: str | None = None
        self._reached: dict[str, int] = {}
        self.counter: int | None = None

    def see(self, tree: str, kind: str, value: Any) -> None:
        """Take note of a line; KeyError, TypeError or ValueError when it has not the form expected."""
        if tree == RAFT_LOG and kind in ("Purged", "Committed") and value is not None:
            self._reached[kind] = int(value["index"])
        elif (tree, kind) == (STATE_MACHINE, "Sequences") and value["key"] == _COUNTER:
            self.counter = int(value["value"])
        elif (tree, kind) == (STATE_MACHINE, "Expire"):
            key = str(value["value"]["key"])
            self._last_expiring = key if self._last_expiring is None else max(self._last_expiring, key)

    def check_state(self, txn: ReadTxn) -> None:
        """Of what the state machine's lines made, before entries of the log are applied to it."""
        highest = txn.seq()
        if highest and self.counter is None:
            raise _cut_off("its Sequences line, the counter of seqs, is missing, and records are there")
        if self.counter is not None and self.counter < highest:
            raise _cut_off(f"its Sequences line says {self.counter}, and a record of it has seq {highest}")
        last = self._last_expiring
        if self._has_sound_index and last is not None and txn.get(last) is None:
            raise _cut_off(f"the key {last[:80]!r} is to expire by its index, and its record is missing")

    def check_log(self, txn: ReadTxn) -> None:
        """Of what state and entries made together."""
        applied = txn.applied().index
        for kind, index in self._reached.items():
            if index > applied:
                raise _cut_off(f"its {kind} line says {index}, and what is there goes up to {applied}")


def _cut_off(what: str) -> InvalidRequest:
    return InvalidRequest(f"The export is not whole: {what}. Nothing was changed; export again.")
