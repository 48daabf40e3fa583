"""The one place that touches cProfile and flameprof."""

import cProfile
import io
import marshal
import sys
from typing import Any

from diag.errors import ProfilerBusy

Function = tuple[str, int, str]
# file, line, name -> primitive calls, calls, own seconds, cumulative seconds, the same four by caller
Stats = dict[Function, tuple[int, int, float, float, dict[Function, tuple[int, int, float, float]]]]


class CallTrace:
    """Deterministic trace of the thread that starts it; that same thread has to stop it."""

    def __init__(self) -> None:
        self._profile = cProfile.Profile(builtins=False)

    def start(self) -> None:
        """Set the thread's profile hook. Raises ProfilerBusy where another tool has it (3.12 on)."""
        try:
            self._profile.enable()
        except ValueError as error:
            raise ProfilerBusy(f"Another tool traces this thread: {error}.", retry_after=1.0) from error

    def stop(self) -> None:
        """Take the hook away."""
        self._profile.disable()

    def stats(self) -> Stats:
        """What was called; any thread may ask, once stopped."""
        self._profile.create_stats()
        stats: dict[Function, Any] = self._profile.stats
        return stats


def flameprof_svg(stats: Stats) -> str:
    """flameprof's own picture; empty for stats it cannot draw, where no traced function called another."""
    import flameprof

    if not any(entry[4] for entry in stats.values()) or not sum(entry[2] for entry in stats.values()):
        return ""
    out = io.StringIO()
    try:
        flameprof.render(stats, out, fmt="svg")
    except (ValueError, ZeroDivisionError, RecursionError):
        return ""
    return out.getvalue()


if __name__ == "__main__":
    # flameprof takes half a second to import and hundreds of milliseconds to draw: not in the serving process
    sys.stdout.write(flameprof_svg(marshal.load(sys.stdin.buffer)))  # noqa: S302 - our own parent's bytes
