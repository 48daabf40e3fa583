"""Windows of always-on profiling on disk: gzipped folded stacks, each with its account in its file's head.

Bounded by age and by bytes; the oldest goes first. What is old is told by a clock that nobody sets, from the
window's arrival on: a jump of the wall clock neither empties the directory nor fills it. The directory is
read once, at the start; from then on the list in memory is the index. All of it blocks; call it in a worker
thread.
"""

import contextlib
import gzip
import os
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from diag.errors import Damaged, NoSpace
from diag.kv.directory import explained
from diag.profilers.about import About, is_id
from diag.profilers.kept_file import joined, parted, read_about

#: Where a node keeps its windows, below its raft directory.
WINDOWS_DIR: Final = "profile-windows"

#: How a window's file ends.
SUFFIX: Final = ".folded.gz"

_MAKING: Final = ".making"
_COMPRESSION: Final = 6


async def _nothing() -> None:
    """No window is being taken."""


@dataclass(frozen=True, slots=True)
class Window:
    """One file: ``about`` is None where it cannot be read, and ``arrived`` a time of the monotonic clock."""

    id: str
    size: int
    about: About | None
    arrived: float


class Windows:
    """Those in ``directory``: at most ``hours`` old, at most ``size`` bytes in all. Thread-safe."""

    def __init__(
        self,
        directory: Path,
        hours: float,
        size: int,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.directory = directory
        self._seconds = hours * 3600
        self._size = size
        self._monotonic = monotonic
        self._clock = clock
        #: The account and the labelled stacks of the window that is being taken, from whoever takes it.
        self.running: Callable[[], Awaitable[tuple[About, bytes] | None]] = _nothing
        self._lock = threading.Lock()
        self._index: list[Window] = []

    @property
    def size(self) -> int:
        """Bytes of all files."""
        with self._lock:
            return sum(window.size for window in self._index)

    def all(self) -> list[Window]:
        """In the order of their arrival."""
        with self._lock:
            return list(self._index)

    def load(self) -> list[str]:
        """Read the directory, before anything else; the ids of files that are damaged. Raises StoreError."""
        found: list[Window] = []
        with explained(self.directory), contextlib.suppress(FileNotFoundError):
            for path in sorted(self.directory.iterdir()):
                if path.name.endswith(_MAKING):
                    path.unlink(missing_ok=True)
                elif path.name.endswith(SUFFIX) and is_id(path.name.removesuffix(SUFFIX)):
                    found.append(self._read(path))
        with self._lock:
            self._index = sorted(found, key=lambda window: (window.arrived, window.id))
            self._let_go()
        return [window.id for window in found if window.about is None]

    def add(self, about: About, folded: bytes) -> None:
        """Keep a window, and let go of what is too old or too much. Raises NoSpace, StoreError."""
        content = joined(about, gzip.compress(folded, _COMPRESSION, mtime=0))
        if len(content) > self._size:
            raise NoSpace(
                f"The window takes {len(content)} bytes and [profiling] continuous_bytes is {self._size}."
            )
        with self._lock:
            with explained(self.directory):
                self._put(about.id, content)
            self._index.append(Window(about.id, len(content), about, self._monotonic()))
            self._let_go()

    def note(self, id_: str, note: str) -> None:
        """Add a note to a window's account, where it is still kept. Raises Damaged, NoSpace, StoreError."""
        with self._lock:
            at = next((at for at, window in enumerate(self._index) if window.id == id_), None)
            if at is None:
                return
            with explained(self.directory):
                about, packed = parted(self.path(id_), self.path(id_).read_bytes())
                about = replace(about, notes=(*about.notes, note))
                content = joined(about, packed)
                self._put(id_, content)
            self._index[at] = replace(self._index[at], size=len(content), about=about)

    def path(self, id_: str) -> Path:
        return self.directory / f"{id_}{SUFFIX}"

    def _read(self, path: Path) -> Window:
        id_, size, about = path.name.removesuffix(SUFFIX), 0, None
        with contextlib.suppress(Damaged, OSError), path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            about = read_about(path, file)
        try:
            written = path.stat().st_mtime if about is None else about.when + about.seconds
        except OSError:
            written = self._clock()
        return Window(id_, size, about, self._monotonic() - max(0.0, self._clock() - written))

    def _put(self, id_: str, content: bytes) -> None:
        """A whole file or none. Not synced: a power cut may cost a window, and a sync of each costs more."""
        self.directory.mkdir(parents=True, exist_ok=True)
        making = self.directory / f"{id_}{_MAKING}"
        try:
            making.write_bytes(content)
            making.replace(self.path(id_))
        except BaseException:
            with contextlib.suppress(OSError):
                making.unlink(missing_ok=True)
            raise

    def _let_go(self) -> None:
        oldest = self._monotonic() - self._seconds
        total = sum(window.size for window in self._index)
        while self._index and (self._index[0].arrived < oldest or total > self._size):
            gone = self._index.pop(0)
            total -= gone.size
            with contextlib.suppress(OSError):
                self.path(gone.id).unlink(missing_ok=True)
