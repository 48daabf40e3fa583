"""In processes of their own: a limit that was lowered is not raised again."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from diag.perf.node_process import NodeProcess
from diag.processes.modules import environment

_LIMITED = """
import os, resource, sys
soft, hard = map(int, sys.argv[1:3])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
os.execvp(sys.argv[3], sys.argv[3:])
"""
_RAISED = """
import resource
from diag.processes.open_files import most_files, raise_limit
raise_limit()
raise_limit()
print(*resource.getrlimit(resource.RLIMIT_NOFILE), most_files())
"""


def limited(soft: int, hard: int) -> list[str]:
    """What stands before a command whose process is to have these limits."""
    return [sys.executable, "-c", _LIMITED, str(soft), str(hard)]


@pytest.mark.parametrize(("soft", "hard"), [(64, 64), (64, 700)])
def test_the_soft_limit_becomes_the_hard_one_however_often(soft: int, hard: int) -> None:
    command = [*limited(soft, hard), sys.executable, "-c", _RAISED]
    done = subprocess.run(command, capture_output=True, check=True, env=environment(), text=True)
    assert done.stdout.split() == [str(hard)] * 3


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs prlimit(2)")
def test_a_node_that_serves_has_raised_its_limit(tmp_path: Path) -> None:
    with NodeProcess(tmp_path, within=limited(128, 4500)) as node:
        assert resource.prlimit(node.pid, resource.RLIMIT_NOFILE) == (4500, 4500)
