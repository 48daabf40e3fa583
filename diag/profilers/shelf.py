"""Kept profiles on disk: a ring, bounded by their count and their bytes.

What is full loses the oldest profile without a name first, and named ones only when nothing else is left:
``before-upgrade`` is wanted weeks later. The directory is the truth, read anew each time, so that a file that
someone removed or damaged is never remembered differently. All of it blocks; call it in a worker thread.
"""

import contextlib
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from diag.errors import Conflict, Damaged, NoSpace, NotFound, StoreError
from diag.kv.directory import explained
from diag.profilers.about import About, checked_key, is_id
from diag.profilers.kept_file import damaged, joined, parted, read_about

#: Where a node keeps its profiles, below its raft directory.
PROFILES_DIR: Final = "profiles"

_SUFFIX = ".pb.gz"
_MAKING = ".making"
_SCRATCH = "scratch-"


@dataclass(frozen=True, slots=True)
class Entry:
    """One kept profile; ``about`` is None, and ``damage`` says why, where its file cannot be read."""

    id: str
    size: int
    about: About | None
    damage: str | None = None

    @property
    def name(self) -> str | None:
        return self.about.name if self.about else None


class Shelf:
    """The profiles in ``directory``: at most ``count`` of them, of at most ``size`` bytes. Thread-safe."""

    def __init__(self, directory: Path, count: int, size: int) -> None:
        self._directory = directory
        self._count = count
        self._size = size
        self._lock = threading.Lock()
        self._changes = 0

    @property
    def changes(self) -> int:
        """Grows with each profile that comes, goes or gets another name, once that is to be seen."""
        return self._changes

    def clean(self) -> None:
        """Remove what a process that died left half made; before the first use. Never fails."""
        with contextlib.suppress(OSError):
            for path in self._directory.iterdir():
                if path.name.endswith(_MAKING):
                    path.unlink(missing_ok=True)
                elif path.name.startswith(_SCRATCH):
                    shutil.rmtree(path, ignore_errors=True)

    def all(self) -> list[Entry]:
        """Every kept profile, the newest first."""
        with explained(self._directory):
            return [entry for path in self._files() if (entry := _entry(path)) is not None]

    def require(self, key: str) -> None:
        """Raises NotFound when no profile has this id or name."""
        with explained(self._directory):
            self._find(key)

    def require_free(self, name: str | None) -> None:
        """Raises Conflict when a profile has this name."""
        if name is None:
            return
        taken = next((entry for entry in self.all() if entry.name == name), None)
        if taken is not None:
            raise Conflict(
                f"The profile {taken.id} has the name {name}; choose another, or delete or rename that one."
            )

    def add(self, about: About, packed: bytes) -> About:
        """Keep a profile, gzipped pprof, and let go of what it pushes out.

        A name that was taken in the meantime is left out. Returns the account as kept. Raises NoSpace and
        StoreError.
        """
        if not self._count:
            raise NoSpace("This node keeps no profiles ([profiling] keep_count is 0).")
        with self._lock:
            if about.name is not None and any(entry.name == about.name for entry in self.all()):
                about = about.named(None)
            content = joined(about, packed)
            if len(content) > self._size:
                raise NoSpace(
                    f"The profile takes {len(content)} bytes and [profiling] keep_bytes is {self._size}."
                )
            with explained(self._directory):
                self._put(about.id, content)
                self._changes += 1
                self._let_go(about.id)
        return about

    def get(self, key: str) -> tuple[About, bytes]:
        """The profile of this id or name: its account, and its pprof. Raises NotFound, Damaged."""
        path = self._path(self._find(key).id)
        try:
            with explained(path):
                return parted(path, path.read_bytes())
        except StoreError as failure:
            if isinstance(failure.__cause__, FileNotFoundError):
                raise _absent(key) from None
            raise

    def rename(self, key: str, name: str) -> About:
        """Give a profile a name. Raises Conflict when another has it, NotFound, Damaged, NoSpace."""
        with self._lock:
            about, packed = self.get(key)
            if about.name != name:
                self.require_free(name)
                about = about.named(name)
                with explained(self._directory):
                    self._put(about.id, joined(about, packed))
                self._changes += 1
        return about

    def remove(self, key: str) -> str:
        """Forget a profile, a damaged one too; its id. Raises NotFound."""
        with self._lock, explained(self._directory):
            found = self._find(key).id
            self._path(found).unlink(missing_ok=True)
            self._changes += 1
        return found

    def damaged(self, id_: str, why: str) -> Damaged:
        """The error for a profile whose stacks cannot be read."""
        return damaged(self._path(id_), why)

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """A directory for work, on this disk; gone afterwards, or at the next start."""
        with explained(self._directory):
            self._directory.mkdir(parents=True, exist_ok=True)
            path = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=self._directory))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def _find(self, key: str) -> Entry:
        checked_key(key)
        for entry in self.all():
            if key in (entry.id, entry.name):
                return entry
        raise _absent(key)

    def _files(self) -> list[Path]:
        """Newest first: ids begin with the time."""
        try:
            found = [path for path in self._directory.iterdir() if path.name.endswith(_SUFFIX)]
        except FileNotFoundError:
            return []
        return sorted((path for path in found if is_id(_id(path))), reverse=True)

    def _path(self, id_: str) -> Path:
        return self._directory / f"{id_}{_SUFFIX}"

    def _put(self, id_: str, content: bytes) -> None:
        """A whole file or none: whoever dies in between leaves one that ``clean`` removes."""
        self._directory.mkdir(parents=True, exist_ok=True)
        making = self._directory / f"{id_}-{threading.get_ident()}{_MAKING}"
        try:
            with making.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            making.replace(self._path(id_))
        except BaseException:
            making.unlink(missing_ok=True)
            raise

    def _let_go(self, newest: str) -> None:
        """Remove what is over the limits: without a name before named, old before new."""
        entries = [entry for entry in self.all() if entry.id != newest]
        count, size = len(entries) + 1, sum(entry.size for entry in entries)
        size += self._path(newest).stat().st_size
        for entry in sorted(entries, key=lambda entry: (entry.name is not None, entry.id)):
            if count <= self._count and size <= self._size:
                return
            self._path(entry.id).unlink(missing_ok=True)
            count, size = count - 1, size - entry.size


def _entry(path: Path) -> Entry | None:
    """None for a file that went in the meantime."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            try:
                return Entry(_id(path), size, read_about(path, file))
            except Damaged as damage:
                return Entry(_id(path), size, None, str(damage))
    except FileNotFoundError:
        return None
    except OSError as failure:
        return Entry(_id(path), 0, None, f"The kept profile {path.name} cannot be read: {failure.strerror}.")


def _id(path: Path) -> str:
    return path.name.removesuffix(_SUFFIX)


def _absent(key: str) -> NotFound:
    return NotFound(f"There is no kept profile {key}; /debug/profiles lists those that there are.")
