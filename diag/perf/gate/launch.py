"""Program: run a command and tell what it used. ``python -I -S launch.py DESCRIPTOR COMMAND...``

A program of its own and small, because a child's peak memory is at least what its parent held when it was
started. It writes one line to the descriptor: the exit code, CPU seconds and peak bytes, the command's own
children included, or ``error`` and why it cannot be started.

It leads a process group. When its standard input ends first, whoever wants to know is gone, and the group
is killed with all that the command has started.
"""

import os
import select
import signal
import sys


def main() -> None:
    """Standard output and error are the command's."""
    out, command = int(sys.argv[1]), sys.argv[2:]
    os.set_inheritable(out, False)
    nothing = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    try:
        child = os.posix_spawnp(command[0], command, os.environ, file_actions=[nothing])
    except OSError as error:
        os.write(out, f"error {error.strerror}\n".encode())
        return
    ended = os.pidfd_open(child)
    if ended not in select.select([ended, sys.stdin.fileno()], [], [])[0]:
        os.killpg(0, signal.SIGKILL)
    _, status, used = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    os.write(out, f"{code} {used.ru_utime + used.ru_stime} {used.ru_maxrss * 1024}\n".encode())


if __name__ == "__main__":
    main()
