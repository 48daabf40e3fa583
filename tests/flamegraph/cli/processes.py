import subprocess
import sys


def run_module(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "flamegraph", *arguments], capture_output=True)
