"""What machine this is: figures of two machines are not to be compared."""

import os
import platform
from pathlib import Path


def this_machine() -> dict[str, str]:
    """Processor, cores to run on, system and Python; no name of a host."""
    return {
        "processor": _model() or platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
