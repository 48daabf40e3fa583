"""What etcd writes to its standard error, in this service's log, and what its last words mean.

etcd writes into a file and not a pipe: a member that is adopted by the next run of its
node must not die of a broken pipe. The file is emptied once it is read and large.
"""

import json
import logging
import os
import re
from collections import deque
from pathlib import Path

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
_DRAWN = ("level", "ts", "caller", "msg", "stacktrace")
#: Its name in the member's directory.
ETCD_LOG = "etcd.log"

_KEPT = 80
_LARGE = 4 * 1024 * 1024

_log = logging.getLogger("diag.replication.etcd")


class EtcdLog:
    """The log file of one member; ``pump`` it now and then."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last: deque[str] = deque(maxlen=_KEPT)
        self._read = 0
        self._partial = b""

    def begin(self, *, anew: bool) -> None:
        """Read from here on: from the file's end, or, when ``anew``, in a new file; one old one is kept."""
        self.last.clear()
        self._partial = b""
        if anew and self.path.exists():
            self.path.replace(self.path.with_suffix(".log.1"))
        self._read = self.path.stat().st_size if self.path.exists() else 0

    def pump(self) -> None:
        """Log what was written since the last call."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._read)
                written = file.read()
        except FileNotFoundError:
            return
        self._read += len(written)
        *lines, self._partial = (self._partial + written).split(b"\n")
        for line in lines:
            self._take(line.decode("utf-8", "replace"))
        if self._read > _LARGE:
            os.truncate(self.path, 0)  # etcd appends, so its next line is the first
            self._read = 0

    def _take(self, line: str) -> None:
        level, text = translated(line)
        if text:
            self.last.append(text)
            _log.log(level, "%s", text)


def translated(line: str) -> tuple[int, str]:
    """The level and the text of one line; a line that is not JSON, such as a panic's, is a warning."""
    try:
        fields = json.loads(line)
        level, text = fields["level"], str(fields["msg"])
    except (ValueError, TypeError, KeyError):
        return logging.WARNING, line.strip()
    details = (f"{name}={value}" for name, value in fields.items() if name not in _DRAWN)
    return _LEVELS.get(level, logging.CRITICAL), " ".join([text, *details])


_TLS = "check raft_config.etcd_peer_cert, etcd_peer_key and etcd_peer_ca"

REMOVED = "the cluster removed this member; join again with an empty directory"

#: Part of etcd's last words -> what to do.
_REMEDIES = {
    "expected IP in URL for binding": "raft_config.raft_listen_host must be an IP address",
    "address already in use": "another process listens there; end it, or change raft_config.raft_api_port",
    "cannot assign requested address": "this machine has no such address; set raft_config.raft_listen_host",
    "has already been bootstrapped": "the cluster knows this member, and its data is not here; bring the "
    "directory back, or remove the member from the cluster and join again",
    "member count is unequal": "the members given are not the cluster's; join through one of its nodes",
    "unmatched member while checking PeerURLs": "its raft_advertise_host and raft_api_port are not what the "
    "cluster was told; use the address the node joined with",
    "cluster ID mismatch": "its directory is another cluster's; give this node a directory of its own",
    "removed from the cluster": REMOVED,
    "to mismatch member": "the cluster has another member at this address, so this one was taken out; "
    "join again with an empty directory",
    "couldn't find local name": "initial members do not name this node; check raft_config.id and join",
    "permission denied": "the data directory or a certificate file is not readable for this user",
    "no space left on device": "the disk is full; free space for the data directory",
    "tls:": _TLS,
    "x509": _TLS,
    "PEM": _TLS,
    "Was the raft log corrupted, truncated, or lost": "its files are older than what it told the cluster, as "
    "after a backup was put back; take the node out (diag leave) and join again with an empty directory",
    "crc mismatch": "its files are damaged; remove the member from the cluster and join anew, empty",
}


#: What a member says that reads its own removal from its log.
_OWN_REMOVAL = re.compile(r"removed member .*local-member-id=(\w+) removed-remote-peer-id=\1\b")


def removed(lines: "deque[str]") -> bool:
    """Whether etcd ended because the cluster no longer has it."""
    return any("permanently removed from the cluster" in line or _OWN_REMOVAL.search(line) for line in lines)


def explained(lines: "deque[str]") -> str:
    """One sentence of what etcd last said, with what to do where that is known; else its last lines."""
    if removed(lines):
        return REMOVED
    for line in reversed(lines):
        for part, remedy in _REMEDIES.items():
            if part in line:
                return f"etcd said: {line[:400]}; {remedy}"
    last = " | ".join(line[:200] for line in list(lines)[-3:])
    return f"etcd's last lines were: {last}" if last else "etcd said nothing"
