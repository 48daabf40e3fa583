"""CPU time that no Python stack accounts for, put into the picture by the kernel's own count.

A sampler of Python stacks does not see a transport's or a database's threads, nor a thread inside C code that
has released the interpreter lock. Left out, the picture would claim that Python is all there is.
"""

import math
from collections import Counter
from collections.abc import Mapping

from diag.profilers.threadclock import thread_name

ROOT = "[outside the interpreter]"
#: Where the time of the sampler's own thread stands; what its handler takes is the pause share.
PROFILER = "[the profiler]"


def unseen(
    before: Mapping[int, float], after: Mapping[int, float], rate: float, seen: Mapping[int, int]
) -> dict[str, int]:
    """Stacks ``[outside the interpreter];thread`` with the samples missing from ``seen``.

    ``before`` and ``after`` are CPU seconds by kernel thread id at both ends of the profile, ``seen`` the
    samples with a Python stack. A difference within twice the sampling noise is left out.
    """
    missing: Counter[str] = Counter()
    for tid, seconds in after.items():
        expected = (seconds - before.get(tid, 0.0)) * rate
        rest = expected - seen.get(tid, 0)
        if rest >= max(2.0, 2.0 * math.sqrt(max(expected, 0.0))):
            missing[f"{ROOT};{thread_name(tid).replace(';', ':')}"] += round(rest)
    return dict(missing)
