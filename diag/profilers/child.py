"""Heavy reading and drawing in a process of its own, where holding the interpreter lock harms nobody."""

import os
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from diag.errors import ProfilerError
from diag.processes.modules import environment, last_words, module_command
from diag.profilers.scratch import open_scratch
from diag.profilers.work import Abandoned

_POLL = 0.01


def run_module(
    module: str,
    arguments: Sequence[str],
    stop: threading.Event,
    *,
    source: IO[bytes] | None = None,
    inherit: Sequence[int] = (),
    temp_dir: Path | None = None,
    work: str = "read",
) -> bytes:
    """Standard output of ``python -m module arguments``; ``source`` is its input, ``inherit`` its files.

    Blocking; run it in a worker thread. Raises ProfilerError with its last line, ``work`` being what it could
    not have done; Abandoned on ``stop``.
    """
    with open_scratch(temp_dir) as out, open_scratch(temp_dir) as errors:
        child = subprocess.Popen(
            module_command(module, *arguments),
            stdin=source or subprocess.DEVNULL,
            stdout=out,
            stderr=errors,
            pass_fds=tuple(inherit),
            env=environment(),
        )
        try:
            while child.poll() is None:
                if stop.wait(_POLL):
                    raise Abandoned
        finally:
            end(child)
        if child.returncode != 0:
            said = last_words(content(errors))
            raise ProfilerError(f"The profile could not be {work}; the process for that said: {said}")
        return content(out)


def end(child: "subprocess.Popen[bytes]") -> None:
    """The child is gone and reaped, whatever happened."""
    if child.poll() is None:
        child.kill()
    child.wait()


def content(file: IO[bytes]) -> bytes:
    """All that was written to the file, by whichever process."""
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)
