"""A module of ours as a process: it imports the code that this process does, wherever it runs."""

import os
import sys
from pathlib import Path


def module_command(module: str, *arguments: str) -> list[str]:
    """The command that runs ``module``; to be started in ``environment()``."""
    # Not from the directory it is started in: a file there may be called like a module of the library.
    return [sys.executable, "-P", "-m", module, *arguments]


def environment() -> dict[str, str]:
    """Ours, with our import path."""
    return {**os.environ, "PYTHONPATH": import_path()}


def import_path() -> str:
    """Where this process imports from: in full, since elsewhere a relative entry means something else."""
    return os.pathsep.join(str(Path(entry).resolve()) for entry in sys.path)


def last_words(errors: bytes, otherwise: str = "nothing") -> str:
    """The last line that a process wrote to its standard error; ``otherwise`` where there is none."""
    said = errors.decode(errors="replace").strip().splitlines()
    return said[-1] if said else otherwise
