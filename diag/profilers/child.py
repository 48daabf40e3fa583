"""Heavy reading and drawing in a process of its own, where holding the interpreter lock harms nobody."""

import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

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
    source: IO[bytes],
    temp_dir: Path | None = None,
    work: str = "read",
) -> bytes:
    """Standard output of ``python -m module arguments``, whose input is ``source``; errors as of ``Output``.

    Blocking; run it in a worker thread.
    """
    with started(module, arguments, source=source, temp_dir=temp_dir, work=work) as output:
        return output(stop)


class Output(Protocol):
    """Waits for the process to end, and gives its standard output.

    Raises ProfilerError with its last line; Abandoned on ``stop``.
    """

    def __call__(self, stop: threading.Event) -> bytes: ...


@contextmanager
def started(
    module: str,
    arguments: Sequence[str],
    *,
    source: IO[bytes] | None = None,
    inherit: Sequence[int] = (),
    temp_dir: Path | None = None,
    work: str = "read",
) -> Iterator[Output]:
    """The module as a process from now on. Without ``source`` its input ends when its output is asked for.

    ``inherit`` are files that it gets, ``work`` is what an error says could not be done.
    """
    with open_scratch(temp_dir) as out, open_scratch(temp_dir) as errors:
        child = subprocess.Popen(
            module_command(module, *arguments),
            stdin=source or subprocess.PIPE,
            stdout=out,
            stderr=errors,
            pass_fds=tuple(inherit),
            env=environment(),
        )

        def output(stop: threading.Event) -> bytes:
            if child.stdin is not None:
                child.stdin.close()
            while child.poll() is None:
                if stop.wait(_POLL):
                    raise Abandoned
            if child.returncode != 0:
                said = last_words(content(errors))
                raise ProfilerError(f"The profile could not be {work}; the process for that said: {said}")
            return content(out)

        try:
            yield output
        finally:
            end(child)
            if child.stdin is not None:
                child.stdin.close()


def end(child: "subprocess.Popen[bytes]") -> None:
    """The child is gone and reaped, whatever happened."""
    if child.poll() is None:
        child.kill()
    child.wait()


def content(file: IO[bytes]) -> bytes:
    """All that was written to the file, by whichever process."""
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)
