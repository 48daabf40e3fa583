"""What every child process here needs: our import path in its environment, a sure end, its last words."""

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from diag.processes.modules import import_path

_TAIL_BYTES = 2_000


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Our environment without settings meant for meta services and engines, with its import path."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith(("META", "QUERY_"))}
    return {**ours, "PYTHONPATH": import_path(), **(extra or {})}


def tail(path: Path) -> str:
    """The last lines of a child's captured standard error, or ``nothing``."""
    try:
        text = path.read_bytes()[-_TAIL_BYTES:].decode("utf-8", "replace").strip()
    except OSError:
        text = ""
    return text or "nothing"


def end(process: subprocess.Popen[str], grace: float) -> int:
    """Ask with SIGTERM, kill after ``grace`` seconds; the exit status. Harmless for one that ended."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=grace)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    return process.returncode
