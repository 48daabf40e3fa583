"""The digest of a large snapshot, taken by a process of its own that gives way to everything else.

Three nodes on two cores took 0.41 of their writes while each hashed 1 GiB in a thread, and as many as before
while such a process did. A thread that gave way would do it with the interpreter lock in its hand. A small
state is read in less time than a process takes to start.
"""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

from diag.errors import StoreError
from diag.kv.digest import Digest, digest_of
from diag.kv.directory import DATA
from diag.kv.state import Position
from diag.processes.leash import end_with
from diag.processes.modules import environment, last_words, module_command

_LARGE = 32 << 20
#: Low, and not the lowest: a node that never rests is to have its snapshot in the end.
_NICE = 10


def digest_apart(path: Path, large: int = _LARGE) -> Digest:
    """The digest of the store in ``path``, by another process from ``large`` bytes on. Blocks.

    Raises StoreError. The process ends with the thread that waits for it.
    """
    if (path / DATA).stat().st_size < large:
        return digest_of(path)
    done = subprocess.run(
        module_command(__name__, str(os.getpid()), str(path)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment(),
        check=False,
    )
    if done.returncode:
        said = last_words(done.stderr, f"status {done.returncode}")
        raise StoreError(f"The snapshot in {path} could not be read again: {said}")
    position, *rest = json.loads(done.stdout)
    return Digest(Position(*position), *rest)


def main(parent: int, path: Path) -> None:
    """Write the digest of the store in ``path`` out as JSON, unless process ``parent`` is gone."""
    end_with(parent)
    _give_way()
    json.dump(digest_of(path), sys.stdout)


def _give_way() -> None:
    os.nice(_NICE)
    # Where the kernel shares the processor out by sessions, nice counts within one only, and one has its own.
    os.setsid()
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(_NICE))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
