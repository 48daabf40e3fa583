"""systemd as PID 1 of namespaces of its own, with the unit of the deployment files installed."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.polling import until

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
UNITS = REPOSITORY / ".deploy" / "systemd"
_SYSTEMD = Path("/lib/systemd/systemd")
_NAMESPACES = ("--mount", "--pid", "--ipc", "--uts", "--net", "--cgroup")
#: Those of the kernel itself, which no namespace holds.
_FORBIDDEN = "-sys_module,-sys_time,-syslog"


def refusal() -> str | None:
    """Why it cannot be booted here."""
    if os.geteuid() != 0:
        return "only root boots a systemd"
    if not _SYSTEMD.exists():
        return f"{_SYSTEMD} is not installed"
    for program in ("unshare", "nsenter", "setpriv", "pivot_root", "useradd"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    if _unified() is None:
        return "no cgroup2 is mounted"
    tried = subprocess.run(["unshare", *_NAMESPACES, "--fork", "true"], capture_output=True, text=True)
    return None if tried.returncode == 0 else f"no namespaces are permitted here: {tried.stderr.strip()}"


class Machine:
    """A booted one; ``init`` is the pid of its systemd."""

    def __init__(self, init: int) -> None:
        self._init = init

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A command inside, as root."""
        within = ["nsenter", "--target", str(self._init), "--all", "--"]
        return subprocess.run([*within, *command], capture_output=True, text=True, timeout=60)

    def told(self, *command: str) -> str:
        """What a command inside says, which must succeed."""
        done = self.run(*command)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def property(self, name: str) -> str:
        """Of the service, as systemd has it."""
        return self.told("systemctl", "show", "--value", "--property", name, "metadiag.service")

    def journal(self) -> str:
        """What the service and systemd said of it."""
        return self.told("journalctl", "--no-pager", "--unit", "metadiag.service")


@contextlib.contextmanager
def booted(directory: Path) -> Iterator[Machine]:
    """A machine in ``directory``, gone on exit with all that ran in it."""
    place = directory / "machine"
    place.mkdir()
    said = directory / "boot.log"
    with _cgroup() as cgroup, said.open("wb") as log:
        process = subprocess.Popen(
            [
                *("sh", "-c", f'echo $$ > {cgroup}/cgroup.procs; exec "$@"', "sh"),
                *("setpriv", "--bounding-set", _FORBIDDEN, "--"),
                *("unshare", *_NAMESPACES, "--fork", "--kill-child=KILL", "--"),
                *("bash", str(HERE / "boot.sh"), str(place), str(UNITS), str(REPOSITORY)),
                *(sys.prefix, sys.base_prefix),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            yield _started(process, said)
        finally:
            process.send_signal(signal.SIGKILL)  # and --kill-child its PID 1, whose end is that of all others
            process.wait()
            until(lambda: "populated 0" in (cgroup / "cgroup.events").read_text())


def _started(process: "subprocess.Popen[bytes]", said: Path) -> Machine:
    def runs() -> bool:
        assert process.poll() is None, said.read_text(errors="replace")
        machine = _machine(process.pid)
        return machine is not None and machine.run("systemctl", "is-active", "metadiag").returncode == 0

    until(runs, 60)
    machine = _machine(process.pid)
    assert machine is not None
    return machine


def _machine(parent: int) -> Machine | None:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    if not children or Path(f"/proc/{children[0]}/comm").read_text() != "systemd\n":
        return None
    return Machine(int(children[0]))


def _unified() -> Path | None:
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(place)
    return None


@contextlib.contextmanager
def _cgroup() -> Iterator[Path]:
    """One of the machine's own, which takes its root for the root."""
    unified = _unified()
    assert unified is not None
    path = unified / f"metadiag-boot-{os.getpid()}"
    path.mkdir()
    try:
        yield path
    finally:
        for each in sorted(path.rglob("*/"), reverse=True):
            if each.is_dir():
                each.rmdir()
        path.rmdir()
