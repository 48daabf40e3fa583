"""Which etcd a cluster runs on: where it is found, and which versions are fit.

The log rests on etcd's watch and on its linearizable reads, and old patch releases lose
watch events, go back in revisions or fork members. Those are refused. Below 3.5.28 a
linearizable read may still be stale after a paused leader: ``strict_reads_needed`` asks
the log to read by a write there.
"""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from diag.errors import EtcdMissing

FETCHED = Path(".cache/etcd/usr/bin/etcd")
_FIT = (3, 5, 16)
_FAITHFUL_READS = (3, 5, 28)
_REMEDY = "run `make etcd`, or name another with raft_config.etcd_binary"


@dataclass(frozen=True)
class EtcdBinary:
    """One etcd on this machine, fit to be used."""

    path: Path
    version: tuple[int, int, int]

    @property
    def strict_reads_needed(self) -> bool:
        """Whether a linearizable read must be made by a write, since etcd's own may be stale."""
        return self.version < _FAITHFUL_READS

    @property
    def version_text(self) -> str:
        return ".".join(map(str, self.version))


def find_etcd(configured: Path | None = None, root: Path | None = None) -> EtcdBinary:
    """The etcd to run: the one ``configured``, else the one on PATH, else what ``make etcd`` fetched.

    ``root`` is the directory that holds ``.cache``, by default this project's. One that is on PATH but too
    old is passed over when a fit one was fetched. Raises EtcdMissing with what to do.
    """
    if configured is not None:
        return checked(configured)
    on_path = shutil.which("etcd")
    fetched = (root or Path(__file__).parents[2]) / FETCHED
    places = [Path(on_path)] if on_path else []
    places += [fetched] if fetched.is_file() else []
    if not places:
        raise EtcdMissing(f"a cluster needs etcd, and there is none on PATH: {_REMEDY}")
    for place in places[:-1]:
        try:
            return checked(place)
        except EtcdMissing:
            continue
    return checked(places[-1])


def checked(path: Path) -> EtcdBinary:
    """The etcd at ``path`` with its version, which it is run to tell. EtcdMissing when it is not fit."""
    version = _version(path)
    if version < _FIT:
        shown = ".".join(map(str, version))
        fault = (
            "can corrupt its data"
            if (3, 5, 0) <= version <= (3, 5, 2)
            else "can lose what a watch should see"
        )
        raise EtcdMissing(
            f"{path} is etcd {shown}, which {fault}; a cluster needs 3.5.16 or newer: {_REMEDY}"
        )
    return EtcdBinary(path, version)


def _version(path: Path) -> tuple[int, int, int]:
    try:
        ran = subprocess.run([path, "--version"], capture_output=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EtcdMissing(f"{path} cannot be run: {error}; {_REMEDY}") from None
    said = re.search(rb"etcd Version: (\d+)\.(\d+)\.(\d+)", ran.stdout)
    if said is None:
        raise EtcdMissing(f"{path} does not tell an etcd version, so it is no etcd; {_REMEDY}")
    major, minor, patch = map(int, said.groups())
    return major, minor, patch
