"""Where a process spends its CPU from its first import on: stacks of the main thread, by ticks of CPU time.

Only a measured child runs this, before anything of the service is imported; the service's own sampler takes
the same signal later, and then this one is at its end.
"""

import signal
import sys
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType

_TICK = 0.004


def start(path: str) -> None:
    """Sample until SIGUSR2, then write folded stacks to ``path``, whole or not at all.

    Beside it, in ``path`` with ``.modules`` after it, a line for each module or package at the top.
    """
    counts: Counter[tuple[tuple[CodeType, int], ...]] = Counter()

    def tick(number: int, frame: FrameType | None) -> None:
        stack = []
        while frame is not None:
            stack.append((frame.f_code, frame.f_lineno or 0))
            frame = frame.f_back
        counts[tuple(reversed(stack))] += 1

    def stop(number: int, frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        from diag.profilers.frames import FrameNames, fold

        names = FrameNames()
        folded: Counter[str] = Counter()
        for stack, count in counts.items():
            folded[names.stack(stack)] += count
        made = Path(f"{path}.making")
        made.write_bytes(fold(folded))
        top = sorted({name.partition(".")[0] for name in sys.modules})
        Path(f"{path}.modules").write_text("\n".join(top))
        made.rename(path)

    signal.signal(signal.SIGPROF, tick)
    signal.signal(signal.SIGUSR2, stop)
    signal.setitimer(signal.ITIMER_PROF, _TICK, _TICK)
