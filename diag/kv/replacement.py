"""A new store into the place of an old one, so that a crash at any moment leaves one of them whole.

The new store is made in a directory beside its place, locked while its maker lives. The old store,
and the snapshots of it, are moved in there before the new one moves out. So a directory found with the
new store still in it was cut short, and what it keeps is put back; one without it had ended, and goes.
"""

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from diag.errors import DirectoryInUse, StoreError
from diag.kv import directory

_PREFIX = ".importing-"
_NEW = "store"
_OLD = "replaced"
_OLD_SNAPSHOTS = "replaced-snapshots"


class Replacement:
    """A place to make a store for ``target`` in: ``recover`` first, ``put_in_place`` once, then ``close``."""

    def __init__(self, target: Path) -> None:
        self._made = _make(target.parent)
        self._target = target
        self._place = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=target.parent))
        self._lock = directory.DirectoryLock(self._place, shared=False)

    @property
    def store(self) -> Path:
        """Where the new store is to be made."""
        return self._place / _NEW

    def put_in_place(self, *, keep_snapshots: bool = False) -> None:
        """Replace ``target`` and the snapshots beside it; DirectoryInUse when somebody has it open.

        ``keep_snapshots`` is for a state that goes on with the same history, from one of them.
        """
        target, snapshots = self._target, _snapshots_beside(self._target)
        held = directory.DirectoryLock(target, shared=False) if target.exists() else None
        try:
            # Restoring one of them would bring back what is replaced.
            if snapshots.exists() and not keep_snapshots:
                snapshots.replace(self._place / _OLD_SNAPSHOTS)
            if target.exists():
                target.replace(self._place / _OLD)
            directory.sync_directory(self._place)
            self.store.replace(target)
            directory.sync_directory(target.parent)
        finally:
            if held is not None:
                held.close()

    def close(self) -> None:
        """Remove what is not needed any more; what was not put in place leaves everything as it was."""
        try:
            _end(self._place, self._target)
            for made in self._made:
                with suppress(OSError):  # it is in use
                    made.rmdir()
        finally:
            self._lock.close()


def recover(target: Path) -> None:
    """End what a crash cut short: an unfinished replacement of ``target`` is undone.

    To be called before ``target`` is looked at. Raises DirectoryInUse while a living process is about
    to put a store there, and StoreError when another store stands where the old one is to go back.
    """
    for place in sorted(target.parent.glob(_PREFIX + "*")):
        try:
            lock = directory.DirectoryLock(place, shared=False)
        except DirectoryInUse:
            if (place / _OLD).exists() and not target.exists():
                raise DirectoryInUse(f"{target} is being replaced by an import; wait for its end.") from None
            continue
        try:
            _end(place, target)
        finally:
            lock.close()


def _end(place: Path, target: Path) -> None:
    if (place / _NEW).exists():
        homes = {place / _OLD_SNAPSHOTS: _snapshots_beside(target), place / _OLD: target}
        left = {kept: home for kept, home in homes.items() if kept.exists()}
        for kept, home in left.items():
            _check_free(kept, home)
        for kept, home in left.items():
            kept.replace(home)
        directory.sync_directory(target.parent)
    shutil.rmtree(place, ignore_errors=True)


def _check_free(kept: Path, home: Path) -> None:
    if home.exists():
        raise StoreError(
            f"An import that was cut short keeps in {kept} what was in {home}, which was made anew since. "
            f"Remove {kept.parent} to keep the new one, or move {home} away to have the old one back."
        )


def _make(path: Path) -> list[Path]:
    """Make a directory and its parents; those that were not there, the innermost first."""
    missing = [one for one in (path, *path.parents) if not one.exists()]
    path.mkdir(parents=True, exist_ok=True)
    return missing


def _snapshots_beside(target: Path) -> Path:
    return target.parent / directory.SNAPSHOT_DIR
