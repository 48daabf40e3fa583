"""Instructions of kernels, counted by valgrind's callgrind: as many on a busy machine as on an idle one."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from diag.errors import ConfigError
from diag.perf.gate.counts_child import BEGIN, END

_CHILD: Final = Path(__file__).with_name("counts_child.py")
_TOTALS: Final = re.compile(r"^totals: (\d+)$", re.MULTILINE)
_LAST_WORDS: Final = 1_000
#: What the interpreter does when its cache of methods misses. Not counted: the cache goes by addresses, and
#: where two of a kernel's methods happen to collide it takes two per cent more.
_LOOKUP: Final = "find_name_in_mro"


def missing() -> str | None:
    """Why nothing can be counted here; None when it can."""
    if shutil.which("valgrind") is not None:
        return None
    return (
        "Instructions are counted by perf where the processor lets it, else by valgrind, and there is none "
        "on PATH. Install it (Debian: apt install valgrind), or leave the counts out."
    )


class Counting:
    """A process that counts kernels of the packages in ``site``; ``place`` is an empty directory of its own.

    ``layout`` tells runs of the same packages apart. As a context manager, nothing runs any more on exit; nor
    does it when this process is killed. Raises ConfigError where there is no valgrind.
    """

    def __init__(self, kernels: Sequence[str], layout: int, site: Path, place: Path) -> None:
        reason = missing()
        if reason is not None:
            raise ConfigError(reason)
        self._kernels = kernels
        self._out = place / "callgrind.out"
        self._process = subprocess.Popen(
            [
                "valgrind",
                "--tool=callgrind",
                f"--callgrind-out-file={self._out}",
                f"--zero-before={BEGIN}",
                f"--dump-before={END}",
                f"--toggle-collect={_LOOKUP}",
                "--collect-atstart=yes",
                *(sys.executable, "-P", str(_CHILD), str(os.getpid()), str(layout), *kernels),
            ],
            env=environment(site, place),
            cwd=place,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()

    def counted(self) -> list[int | str]:
        """Of each kernel the instructions between its marks, or the words with which it failed."""
        said, errors = self._process.communicate()
        found: list[int | str] = []
        dumps = 0
        for line in said.splitlines():
            if line == "ok":
                dumps += 1
                found.append(self._dumped(dumps))
            else:
                found.append(line)
        return found + [self._last_words(errors)] * (len(self._kernels) - len(found))

    def _dumped(self, number: int) -> int | str:
        try:
            text = self._out.with_name(f"{self._out.name}.{number}").read_text(errors="replace")
        except OSError as error:
            return f"its count is not there: {error.strerror}"
        totals = _TOTALS.search(text)
        return "its count is not there" if totals is None else int(totals.group(1))

    def _last_words(self, errors: str) -> str:
        words = "\n".join(line for line in errors.splitlines() if not line.startswith("=="))
        return words.strip()[-_LAST_WORDS:] or f"it ended with {self._process.returncode}"


def environment(site: Path, place: Path) -> dict[str, str]:
    """Small and fixed: names and values lie on the process's stack."""
    return {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": str(site),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(place),
    }
