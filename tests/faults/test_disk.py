"""A disk that is full, slow or stuck, and whole again."""

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from diag.faults.disk import Disk, refusal, sweep
from tests.polling import until


@pytest.fixture(autouse=True)
def _permitted(tmp_path: Path) -> None:
    if reason := refusal(tmp_path):
        pytest.skip(reason)


def written(path: Path, data: bytes) -> None:
    with path.open("ab", buffering=0) as file:
        file.write(data)
        os.fsync(file.fileno())


def test_full_and_then_room_again(tmp_path: Path) -> None:
    with Disk(tmp_path, "a", megabytes=16) as disk:
        written(disk.path / "kept", b"before")
        disk.fill()
        with pytest.raises(OSError, match="No space") as caught:
            written(disk.path / "more", bytes(1 << 20))
        assert caught.value.errno == errno.ENOSPC
        disk.heal()
        written(disk.path / "more", bytes(1 << 20))
        assert (disk.path / "kept").read_bytes() == b"before"
    assert not disk.path.exists()


def test_stuck_until_healed(tmp_path: Path) -> None:
    with Disk(tmp_path, "a", megabytes=16) as disk:
        disk.stick()
        writer = threading.Thread(target=written, args=(disk.path / "file", b"late"))
        writer.start()
        writer.join(timeout=0.2)
        assert writer.is_alive()
        disk.heal()
        writer.join(timeout=10)
        assert not writer.is_alive()
        assert (disk.path / "file").read_bytes() == b"late"


def test_slow_is_slow_and_goes_on(tmp_path: Path) -> None:
    with Disk(tmp_path, "a", megabytes=16) as disk:
        disk.slow(stuck=0.1, free=0.02)
        for turn in range(5):
            written(disk.path / f"{turn}", b"x")
        disk.heal()
        assert len(list(disk.path.glob("[0-9]"))) == 5


def test_what_a_killed_harness_left_is_swept(tmp_path: Path) -> None:
    left = (
        f"import os; from pathlib import Path; from diag.faults.disk import Disk\n"
        f"disk = Disk(Path({str(tmp_path)!r}), 'a', 16); disk.__enter__(); disk.stick()\n"
        "print(disk.path, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", left], capture_output=True, text=True, timeout=30)
    path = Path(done.stdout.strip())
    assert path.is_mount()
    sweep()
    until(lambda: not path.exists())
