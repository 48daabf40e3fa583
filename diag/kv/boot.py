"""Whether a store that is written without waiting for the disk can be trusted after its last run.

The system's cache keeps what a killed process wrote, but not what a crashed machine did. So a mark names the
boot in which the store is written, from its opening to its clean close: found with another boot's id, the
store may be damaged, and is to be taken from a snapshot and the log again.
"""

import logging
from pathlib import Path

from diag.kv import directory

_MARK = "WRITTEN-IN-BOOT"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

_log = logging.getLogger(__name__)


def boot_id() -> str:
    """The system's name of this boot; empty where it tells none, and then nothing may be left unsynced."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


def is_doubtful(path: Path, boot: str) -> bool:
    """Whether the machine went down while the store in ``path`` was open."""
    try:
        marked = (path / _MARK).read_text().strip()
    except OSError:
        return False
    return marked != boot


def mark(path: Path, boot: str) -> None:
    """The store in ``path`` is about to be written without waiting for the disk."""
    directory.write_durably(path / _MARK, boot.encode() + b"\n")


def unmark(path: Path) -> None:
    """It is whole on the disk again, and closed."""
    (path / _MARK).unlink(missing_ok=True)
    directory.sync_directory(path)
