"""Starts etcd so that it cannot outlive its node; run as a script of its own, which then becomes etcd.

The kernel is asked to kill this process when the thread that started it ends, and that
wish survives exec. It is asked for here, and not between fork and exec of the node, where
Python code can deadlock on the locks of gRPC's threads.

Arguments: the node's pid, the program, its arguments. Standard library only, no package import.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    node, program = int(sys.argv[1]), sys.argv[2]
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != node:
        sys.exit("the node ended before etcd was started")  # its death came before the wish
    os.execv(program, sys.argv[2:])  # noqa: S606 - becoming that program is the point


if __name__ == "__main__":
    main()
