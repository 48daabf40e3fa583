"""Both sides built: the package of a source, installed where only its own processes find it.

A build is kept under its git tree, an environment under the hash of its pinned requirements, so that a second
run starts at once and two commits with the same requirements share one environment.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from diag.errors import ConfigError
from diag.perf.gate.source import Repository, Source

_KEPT_BUILDS = 8
_KEPT_ENVIRONMENTS = 3
_TAIL = 1_500


class Build(NamedTuple):
    """A side ready to run: its interpreter, and the directory that holds its package and nothing else."""

    source: Source
    python: Path
    site: Path


class Builder:
    """Builds sources of one repository below ``cache``.

    ``python`` is the interpreter whose environment has the requirements of the working tree.
    """

    def __init__(self, repository: Repository, cache: Path, python: Path) -> None:
        self._repository = repository
        self._builds = cache / "builds"
        self._environments = cache / "environments"
        self._python = python

    def build(self, source: Source) -> Build:
        """Raises ConfigError with the installer's last words for what does not build."""
        place = self._builds / source.tree
        if not place.exists():
            self._builds.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._builds, prefix=".making-") as making:
                self._make(source, Path(making) / "whole")
                _move(Path(making) / "whole", place)
        os.utime(place)
        _prune(self._builds, _KEPT_BUILDS)
        return Build(source, self._environment(source, place / "requirements"), place / "site")

    def _make(self, source: Source, whole: Path) -> None:
        files = whole / "files"
        files.mkdir(parents=True)
        self._repository.export(source, files)
        if not (files / "pyproject.toml").exists() or not (files / ".requirements").is_dir():
            raise ConfigError(
                f"{source.describe()} does not build: it has no pyproject.toml with pinned .requirements."
            )
        shutil.move(files / ".requirements", whole / "requirements")
        python = self._environment(source, whole / "requirements")
        # Compiled by the installer: a first start would write the bytecode and pay for it.
        options = ["--no-build-isolation", "--no-deps", "--no-index", "--target", str(whole / "site")]
        _install(python, source, [*options, str(files)])
        shutil.rmtree(files)

    def _environment(self, source: Source, requirements: Path) -> Path:
        wanted = _fingerprint(requirements)
        if wanted == _fingerprint(self._repository.root / ".requirements"):
            return self._python
        place = self._environments / wanted
        python = place / "bin" / "python"
        if not (place / ".ready").exists():
            shutil.rmtree(place, ignore_errors=True)
            subprocess.run(
                [str(self._python), "-m", "venv", str(place)], check=True, stdout=subprocess.DEVNULL
            )
            _install(python, source, ["--require-hashes", "-r", str(requirements / "dev.txt")])
            (place / ".ready").touch()
        os.utime(place)
        _prune(self._environments, _KEPT_ENVIRONMENTS)
        return python


def _fingerprint(requirements: Path) -> str:
    """Of the requirements that the service runs with, on this interpreter."""
    digest = hashlib.sha256(f"{platform.python_version()} {platform.machine()}\n".encode())
    try:
        digest.update((requirements / "dev.txt").read_bytes())
    except OSError:
        raise ConfigError(f"The pinned requirements {requirements / 'dev.txt'} cannot be read.") from None
    return digest.hexdigest()[:20]


def _install(python: Path, source: Source, arguments: Sequence[str]) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    # A path of this process would lend its packages to the other side.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise ConfigError(f"{source.describe()} does not build: {done.stdout.strip()[-_TAIL:]}")


def _move(made: Path, place: Path) -> None:
    try:
        made.rename(place)
    except OSError:
        if not place.exists():  # else another run was quicker, with the same tree
            raise


def _prune(directory: Path, kept: int) -> None:
    """Remove the entries used longest ago."""
    entries = sorted(directory.glob("[!.]*"), key=lambda entry: entry.stat().st_mtime, reverse=True)
    for entry in entries[kept:]:
        shutil.rmtree(entry, ignore_errors=True)
