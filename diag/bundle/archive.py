"""The file itself: a compressed archive below one directory, with a name for everything only once.

What is added is in the file at once, and ``close`` writes the index, so that a collection that was ended
early leaves an archive that opens. The file stays below its cap, but for the index.
"""

import gzip
import io
import json
import re
import tarfile
import threading
import time
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import IO, Any, Final, Literal

from diag.errors import NoSpace

INDEX: Final = "index.json"

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST: Final = 80
_LEVEL: Final = 6
#: An item takes about so many bytes of the archive beside its content.
_HEAD: Final = 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of one item. ``name`` is its path below the archive's directory, None where it has none.

    ``state`` is ok, failed (``error`` says why), or skipped, because it could not succeed or had no room.
    ``when`` is seconds since 1970, ``seconds`` what it took, ``bytes`` its size as it was.
    """

    item: str
    name: str | None
    node: int | None
    state: Literal["ok", "failed", "skipped"]
    when: float
    seconds: float = 0.0
    bytes: int = 0
    source: str = ""
    error: str | None = None


class Archive:
    """Writes to ``file``, of which at most ``cap`` bytes. Every method may be called from any thread.

    NoSpace when the disk is full; then the file is worth nothing.
    """

    def __init__(self, file: IO[bytes], root: str, cap: int) -> None:
        self._file = file
        self._written = 0
        self._root = safe(root)
        self._cap = cap
        self._names: set[str] = {INDEX}
        self._entries: list[Entry] = []
        self._lock = threading.Lock()
        self._closed = False
        with _explained():
            self._packed = gzip.GzipFile(fileobj=file, mode="wb", compresslevel=_LEVEL)
            self._tar = tarfile.TarFile(fileobj=self._packed, mode="w")

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Of all items so far."""
        with self._lock:
            return tuple(self._entries)

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._written

    def add(self, entry: Entry, content: bytes) -> bool:
        """Put it in under its name, made safe and unique. False where the cap has no room, which is told."""
        with self._lock, _explained():
            if self._closed:
                return False
            if not self._has_room(content):
                self._entries.append(_without_room(entry, len(content), self._cap))
                return False
            name = self._unique(entry.name or entry.item)
            info = tarfile.TarInfo(f"{self._root}/{name}")
            info.size, info.mtime, info.mode = len(content), int(entry.when), 0o600
            self._tar.addfile(info, io.BytesIO(content))
            self._packed.flush()
            self._written = self._file.tell()
            self._entries.append(_changed(entry, name=name, bytes=len(content)))
            return True

    def note(self, entry: Entry) -> None:
        """An item without content."""
        with self._lock:
            self._entries.append(_changed(entry, name=None))

    def close(self, about: Mapping[str, Any]) -> None:
        """Write the index, which is ``about`` and the entries, and end the archive; the file stays open."""
        with self._lock, _explained():
            self._closed = True
            index = {**about, "items": [asdict(entry) for entry in self._entries]}
            content = json.dumps(index, indent=1).encode() + b"\n"
            info = tarfile.TarInfo(f"{self._root}/{INDEX}")
            info.size, info.mtime, info.mode = len(content), int(time.time()), 0o600
            self._tar.addfile(info, io.BytesIO(content))
            self._tar.close()
            self._packed.close()
            self._file.flush()
            self._written = self._file.tell()

    def _has_room(self, content: bytes) -> bool:
        left = self._cap - self._written - _HEAD
        return len(content) <= left or len(zlib.compress(content, _LEVEL)) <= left

    def _unique(self, wanted: str) -> str:
        name = "/".join(filter(None, map(safe, wanted.split("/")))) or "item"
        stem, dot, ending = name.partition(".") if "/" not in name else _split(name)
        tried, number = name, 1
        while tried in self._names:
            number += 1
            tried = f"{stem}-{number}{dot}{ending}"
        self._names.add(tried)
        return tried


def safe(part: str) -> str:
    """``part`` as one part of a path: nothing in it leads elsewhere, or is hidden, on any system."""
    return _UNSAFE.sub("_", part)[:_LONGEST].lstrip(".-")


def _split(name: str) -> tuple[str, str, str]:
    directory, _, last = name.rpartition("/")
    stem, dot, ending = last.partition(".")
    return f"{directory}/{stem}", dot, ending


def _changed(entry: Entry, **changes: Any) -> Entry:
    return Entry(**{**asdict(entry), **changes})


def _without_room(entry: Entry, size: int, cap: int) -> Entry:
    return _changed(
        entry, name=None, state="skipped", bytes=size, error=f"it has no room below the cap of {cap} bytes"
    )


class _explained:  # noqa: N801 - used as a statement
    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, failure: BaseException | None, _trace: object) -> None:
        if isinstance(failure, OSError):
            raise NoSpace(
                f"The bundle cannot be written: {failure.strerror or failure}. Free some space, or write it "
                "elsewhere; there is no file of it now."
            ) from failure
