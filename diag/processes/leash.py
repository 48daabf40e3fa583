"""A process that cannot outlive the one that started it.

The kernel is asked to kill the child when the thread that started it ends, and that wish survives exec. The
child asks for it, and not its parent between fork and exec, where Python code can deadlock on the locks of
gRPC's threads. So a program of another make is started by this file, as a script that then becomes it;
nothing but the standard library is imported here.

Arguments of the script: the parent's pid, the program, its arguments.
"""

import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1


def leashed(command: Sequence[str]) -> list[str]:
    """The command that runs ``command`` until the thread that starts it ends."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def end_with(parent: int) -> None:
    """From here on this process is killed with the thread that started it, one of process ``parent``."""
    import ctypes  # which a node that starts need not wait for

    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the process that asked for this one is gone")  # its end came before the wish


def main() -> None:
    """Become the program."""
    end_with(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - becoming that program is the point


if __name__ == "__main__":
    main()
