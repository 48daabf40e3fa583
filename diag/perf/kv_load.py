"""A handle on a KV load that runs in a process of its own, and tells its rate over any window."""

import json
import signal
import subprocess
import sys
import threading
import time
from bisect import bisect_left
from pathlib import Path
from types import TracebackType
from typing import Self

from diag.errors import Unavailable
from diag.perf.children import end, environment, tail

_POLL_SECONDS = 0.05
_SILENCE_SECONDS = 10.0


class KvLoad:
    """The load while it runs: the service has answered it on entry; it is stopped on exit."""

    def __init__(self, directory: Path, endpoint: str, *, in_flight: int = 16, http: bool = False) -> None:
        self._errors = directory / f"{'http' if http else 'kv'}_load.stderr"
        self._endpoint = endpoint
        self._in_flight = in_flight
        self._flags = ["--http"] if http else []
        self._took: list[tuple[float, list[int]]] = []
        self._reports: list[tuple[float, int]] = []
        self._process: subprocess.Popen[str] | None = None
        self._reader = threading.Thread(target=self._read, name="kv-load-reports", daemon=True)
        self._first = threading.Event()

    def __enter__(self) -> Self:
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "diag.perf.kv_load_child", "--endpoint", self._endpoint),
                    *("--in-flight", str(self._in_flight), *self._flags),
                ],
                env=environment(),
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._reader.start()
        self._first.wait(timeout=20)
        try:
            self.check()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def done(self) -> int:
        """Operations done by the last report."""
        return self._reports[-1][1] if self._reports else 0

    def pause(self) -> None:
        """Stop its process where it is, until it is to ``go_on``; what it asked is answered meanwhile."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """The end of a pause; nothing where there is none."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def check(self) -> None:
        """Raise Unavailable when the load does not run."""
        assert self._process is not None
        status = self._process.poll()
        if status is not None or not self._reports:
            raise Unavailable(
                f"The KV load does not run (status {status}). Its last words: {tail(self._errors)}"
            )

    def rate(self, since: float, until: float) -> float:
        """Operations a second between two moments of ``time.monotonic``; waits for what it needs."""
        deadline = time.monotonic() + _SILENCE_SECONDS
        while self._reports[-1][0] < until:
            self.check()
            if time.monotonic() > deadline:
                raise Unavailable(f"The KV load has not reported for {_SILENCE_SECONDS:.0f} s.")
            time.sleep(_POLL_SECONDS)
        return (self._done_at(until) - self._done_at(since)) / (until - since)

    def p99(self, since: float, until: float) -> float:
        """Milliseconds within which 99 of 100 operations ended that were reported in that time."""
        took = sorted(each for at, part in list(self._took) if since < at <= until for each in part)
        return took[int(0.99 * (len(took) - 1))] / 1e3 if took else 0.0

    def _done_at(self, moment: float) -> float:
        reports = list(self._reports)
        place = min(max(bisect_left(reports, (moment, 0)), 1), len(reports) - 1)
        (before, low), (after, high) = reports[place - 1], reports[place]
        return low + (high - low) * (moment - before) / (after - before)

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            report = json.loads(line)
            self._took.append((report["at"], report["took"]))
            self._reports.append((report["at"], report["done"]))
            self._first.set()
        self._first.set()

    def _stop(self) -> None:
        assert self._process is not None
        # The reader owns the pipe until the process is gone and the pipe has ended.
        if self._process.poll() is None:
            self._process.terminate()
        self._reader.join(timeout=10)
        end(self._process, grace=5)
