"""A disk of its own for a node: an ext4 in a file on a loop device, which can be full, slow or stuck.

Full is real: a ballast file takes all room that is left. Stuck is the kernel's freeze of the file
system: every write and fsync waits until the thaw. Slow is a freeze for a part of every period, so
that an fsync takes up to that long; no kernel needs a delaying block device for that. Needs root.

Mount points carry the pid of their owner, so that what a killed harness left, perhaps frozen, is swept.
"""

import os
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from diag.errors import Unavailable

_PREFIX = "mdf-disk-"
_BALLAST = "ballast"
_SECONDS = 30
_CHUNK = bytes(1 << 20)


class Disk:
    """``megabytes`` of disk below ``directory``, mounted at ``path`` inside ``with``.

    Raises Unavailable where the machine does not permit it.
    """

    def __init__(self, directory: Path, name: str, megabytes: int = 256) -> None:
        self.path = directory / f"{_PREFIX}{os.getpid()}-{name}"
        self._image = directory / f"{name}.ext4"
        self._bytes = megabytes << 20
        self._slow: _Pulses | None = None
        self._stuck = False

    def __enter__(self) -> Self:
        sweep()
        try:
            with self._image.open("wb") as image:
                image.truncate(self._bytes)
            # Nothing kept for root, who would still find room on a full disk.
            _run("mkfs.ext4", "-q", "-m", "0", str(self._image))
            self.path.mkdir()
            _run("mount", "-o", "loop", str(self._image), str(self.path))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Thaw, unmount and delete; what still has files open there keeps the disk until it ends."""
        self.heal()
        _remove(self.path)
        self._image.unlink(missing_ok=True)

    def fill(self, leave: int = 0) -> None:
        """Take all room but ``leave`` bytes."""
        with (self.path / _BALLAST).open("ab", buffering=0) as ballast:
            try:
                while (free := self.free() - leave) > 0:
                    ballast.write(_CHUNK[: min(free, len(_CHUNK))])
            except OSError:
                pass  # full, a little earlier than the count of free blocks said
            os.fsync(ballast.fileno())

    def free(self) -> int:
        """Bytes that anybody may still write."""
        facts = os.statvfs(self.path)
        return facts.f_bavail * facts.f_frsize

    def stick(self) -> None:
        """Let every write wait until ``heal``."""
        if not self._stuck:
            _run("fsfreeze", "--freeze", str(self.path))
            self._stuck = True

    def slow(self, stuck: float = 0.15, free: float = 0.05) -> None:
        """Let writes wait for ``stuck`` seconds, run for ``free`` seconds, and so on until ``heal``."""
        if self._slow is None:
            self._slow = _Pulses(self.path, stuck, free)
            self._slow.start()

    def heal(self) -> None:
        """Thaw, and give the room back."""
        if self._slow is not None:
            self._slow.end()
            self._slow = None
        if self._stuck:
            _run("fsfreeze", "--unfreeze", str(self.path))
            self._stuck = False
        (self.path / _BALLAST).unlink(missing_ok=True)


class _Pulses(threading.Thread):
    """Freezes and thaws until it is ended; always thaws last."""

    def __init__(self, path: Path, stuck: float, free: float) -> None:
        super().__init__(daemon=True, name="disk pulses")
        self._path = str(path)
        self._stuck = stuck
        self._free = free
        self._ending = threading.Event()

    def run(self) -> None:
        while not self._ending.is_set():
            _run("fsfreeze", "--freeze", self._path)
            try:
                self._ending.wait(self._stuck)
            finally:
                _run("fsfreeze", "--unfreeze", self._path)
            self._ending.wait(self._free)

    def end(self) -> None:
        self._ending.set()
        self.join()


def sweep() -> None:
    """Thaw and unmount what harnesses left behind that are not running any more."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        path = Path(line.split()[1])
        if path.name.startswith(_PREFIX):
            owner = path.name.removeprefix(_PREFIX).partition("-")[0]
            if not Path(f"/proc/{owner}").exists():
                subprocess.run(
                    ["fsfreeze", "--unfreeze", str(path)], capture_output=True, timeout=_SECONDS, check=False
                )
                _remove(path)


def refusal(directory: Path) -> str:
    """Why disks cannot be made in ``directory``; empty when they can."""
    try:
        with Disk(directory, "probe", megabytes=8) as disk:
            disk.stick()
            return ""
    except Unavailable as error:
        return str(error)


def _remove(path: Path) -> None:
    if path.is_mount():
        # Lazily: a process that is still ending must not keep the harness from ending.
        _run("umount", "--lazy", str(path))
    if path.is_dir():
        path.rmdir()


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except FileNotFoundError:
        raise Unavailable(
            f"{command[0]} is not installed (Debian: e2fsprogs and util-linux have it)."
        ) from None
    if done.returncode:
        raise Unavailable(f"The node's disk cannot be set: {' '.join(command)}: {done.stderr.strip()}")
