"""The real Databend Query engine as a child process, on a meta service or on its own embedded store.

Facts behind the settings: wire protocol, section 12. The engine locks its
working directory, so each process gets its own; table data may be shared by
pointing ``data`` of several engines at one folder.
"""

import contextlib
import importlib.util
import json
import platform
import subprocess
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from diag.errors import Unavailable
from diag.perf.children import end, environment, tail
from diag.perf.sql import Statement, complaint


@dataclass(frozen=True)
class Outcome:
    """What a statement came to: its rows, or the engine's ``error``; ``seconds`` are the engine's own."""

    sql: str
    seconds: float
    rows: tuple[str, ...] = ()
    error: str | None = None


def missing() -> str | None:
    """Why the engine cannot run here, as a sentence; None when it can."""
    if importlib.util.find_spec("databend") is not None:
        return None
    return (
        "The query engine (databend==1.2.453) is not installed: it has wheels for Linux and macOS only, "
        f"and this is Python {platform.python_version()} on {platform.system()} {platform.machine()}."
    )


class Engine:
    """One engine process. Used as a context manager: started on entry, stopped on exit.

    ``meta`` is the host:port of a meta service, None for the embedded store.
    ``cluster_id`` must differ between live engines on one meta service, or they take each other's place.
    Raises Unavailable when the engine is missing, fails or takes longer than ``timeout`` seconds.
    """

    def __init__(
        self,
        directory: Path,
        *,
        meta: str | None,
        cluster_id: str = "",
        tenant: str = "diag",
        data: Path | None = None,
        timeout: float = 30.0,
    ) -> None:
        self._directory = directory
        self._meta = meta
        self._cluster_id = cluster_id
        self._tenant = tenant
        self._data = data
        self._timeout = timeout
        self._errors = directory / "engine.stderr"
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        reason = missing()
        if reason is not None:
            raise Unavailable(reason)
        self._prepare_directory()
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "diag.perf.engine_child", self._tenant],
                cwd=self._directory,
                env=self._environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                encoding="utf-8",
            )
        try:
            self._receive()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def execute(self, sql: str) -> Outcome:
        """Run one statement. A refusal by the engine is an Outcome; its death raises Unavailable."""
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"sql": sql}) + "\n")
            self._process.stdin.flush()
        except OSError:
            raise self._died() from None
        reply = self._receive()
        return Outcome(sql, reply["seconds"], tuple(reply.get("rows", ())), reply.get("error"))

    def _prepare_directory(self) -> None:
        home = self._directory / ".databend"
        home.mkdir(parents=True, exist_ok=True)
        if self._data is not None:
            self._data.mkdir(parents=True, exist_ok=True)
            link = home / "_data"
            if not link.is_symlink():
                link.symlink_to(self._data.resolve(), target_is_directory=True)

    def _environment(self) -> dict[str, str]:
        extra = {"QUERY_CLUSTER_ID": self._cluster_id}
        if self._meta is not None:
            extra |= {
                "META_ENDPOINTS": self._meta,
                "META_USERNAME": "root",
                "META_CLIENT_TIMEOUT_IN_SECOND": "10",
            }
        return environment(extra)

    def _receive(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        # Killing the child ends the pipe, so one blocking read covers answer, death and silence.
        watchdog = threading.Timer(self._timeout, self._process.kill)
        watchdog.start()
        try:
            line = self._process.stdout.readline()
        finally:
            watchdog.cancel()
        if not line:
            raise self._died()
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _died(self) -> Unavailable:
        assert self._process is not None
        status = self._process.wait()
        return Unavailable(
            f"The query engine ended with status {status} (-9: no answer within {self._timeout:.0f} s). "
            f"Its last words: {tail(self._errors)}"
        )

    def _stop(self) -> None:
        """Close the input, which ends the child; end it if it does not go."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=10)
        end(self._process, grace=2)
        self._process = None


def run_script(engine: Engine, script: Iterable[Statement]) -> list[Outcome]:
    """Run a script; the first outcome that is not the expected one raises Unavailable with both."""
    outcomes = []
    for statement in script:
        outcome = engine.execute(statement.sql)
        wrong = complaint(statement, outcome.rows, outcome.error)
        if wrong is not None:
            raise Unavailable(wrong)
        outcomes.append(outcome)
    return outcomes
