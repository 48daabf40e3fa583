"""The SQL script again and again from a thread, until told to stop."""

import threading
from types import TracebackType
from typing import Self

from diag.errors import MetaError, Unavailable
from diag.perf.engine import Engine, run_script
from diag.perf.sql import script


class SqlWorkload:
    """The load while it runs: a context manager around a thread that owns the engine's attention."""

    def __init__(self, engine: Engine, prefix: str = "load") -> None:
        self._engine = engine
        self._prefix = prefix
        self._stop = threading.Event()
        self._error: MetaError | None = None
        self._thread = threading.Thread(target=self._run, name="sql-workload", daemon=True)
        self.done = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=30)

    def check(self) -> None:
        """Raise what stopped the workload, if something has."""
        if self._error is not None:
            raise self._error
        if not self._thread.is_alive():
            raise Unavailable("The SQL workload ended by itself; see the traceback above.")

    def _run(self) -> None:
        statements = script(self._prefix)
        try:
            while not self._stop.is_set():
                for statement in statements:
                    run_script(self._engine, (statement,))
                    self.done += 1
                    if self._stop.is_set():
                        return
        except MetaError as error:
            self._error = error
