"""What is started on a leash ends with who started it, whatever ended that."""

import os
import subprocess
import sys
from pathlib import Path

from diag.processes import leash
from diag.processes.modules import environment
from tests.polling import until

PARENT = """
import subprocess, sys
from diag.processes.leash import leashed
child = subprocess.Popen(leashed(sys.argv[1:]))
print(child.pid, flush=True)
child.wait()
"""


def command_line(pid: int) -> bytes:
    """Empty for a process that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""


def test_a_program_on_a_leash_is_the_program_itself() -> None:
    done = subprocess.run(leash.leashed(["/bin/sh", "-c", "exit 7"]), check=False)
    assert done.returncode == 7


def test_it_ends_with_a_parent_that_is_killed() -> None:
    command = [sys.executable, "-c", PARENT, "/bin/sleep", "300"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        until(lambda: command_line(pid).startswith(b"/bin/sleep"))
        parent.kill()
    until(lambda: not command_line(pid))


def test_nothing_runs_for_a_parent_that_is_gone_before() -> None:
    command = leash.leashed(["/bin/echo", "begun"])
    assert command[-3] == str(os.getpid())
    command[-3] = "1"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "is gone" in done.stderr
