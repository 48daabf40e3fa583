"""How many files, connections among them, this process may have open.

The soft limit that most systems start a process with, 1024, is there for programs that call select(2). A
server raises it to the hard limit, as every Go program does.
"""

import contextlib
import resource


def raise_limit() -> None:
    """Raise the soft limit to the hard one, where the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        # A system that names no hard limit may refuse to be without a soft one.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def most_files() -> int:
    """The hard limit; 0 where there is none."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return 0 if hard == resource.RLIM_INFINITY else hard
