"""What a person sees while a run goes on: a table that lives on a terminal, a line now and then elsewhere."""

from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.live import Live

from diag.perf.gate.report import table
from diag.perf.gate.result import Result

#: Without a terminal, a line after the first round and each so many.
_EVERY: Final = 5


class Progress:
    """A context manager; what it showed on a terminal is gone on exit, for the report takes its place."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = (
            Live(console=console, transient=True, auto_refresh=False) if console.is_terminal else None
        )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, text: str) -> None:
        """What begins now."""
        self._console.print(text, style="dim", markup=False, highlight=False, soft_wrap=True)

    def watch(self, results: Sequence[Result], rounds: int, seconds: float) -> None:
        """The results after a round."""
        if self._live is not None:
            self._live.update(table(results, f"{rounds} rounds, {seconds:.0f} s"), refresh=True)
        elif rounds == 1 or rounds % _EVERY == 0:
            counts = Counter(result.verdict.value for result in results if result.verdict is not None)
            told = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
            self.say(f"{rounds} {'round' if rounds == 1 else 'rounds'}, {seconds:.0f} s: {told}")
