"""Packages from npm, once, into a cache outside of the sources."""

import shutil
import subprocess
from pathlib import Path

import pytest

CACHE = Path(__file__).parents[1] / ".cache"


def package(name: str, version: str) -> Path:
    """The directory of a package; skips the test where it cannot be had."""
    place = CACHE / name
    found = place / "node_modules" / name
    if not (found / "package.json").exists():
        npm = shutil.which("npm")
        if not npm:
            pytest.skip(f"npm is not installed, {name} cannot be had")
        command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(place), f"{name}@{version}"]
        run = subprocess.run(command, capture_output=True, text=True, timeout=150)
        if run.returncode:
            pytest.skip(f"npm cannot install {name}: {run.stderr.strip()[-200:]}")
    return found
