"""May py-spy read this process? Asked before it is started, and answered with the exact remedy.

Rules from ptrace(2), "Ptrace access mode checking", and the kernel's Yama documentation.
"""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from diag.errors import ProfilerMissing

_CAP_SYS_PTRACE = 19
_PR_GET_DUMPABLE = 3
_PR_SET_PTRACER = 0x59616D61
_YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")


@dataclass(frozen=True, slots=True)
class Rights:
    """What decides whether a child of this process may trace it.

    ``capable``: the child would hold CAP_SYS_PTRACE. ``yama``: 0..3, or 0 where the module is absent.
    ``seccomp``: 0 none, 1 strict, 2 a filter. ``tracer``: pid of a tracer already attached, or 0.
    """

    capable: bool
    yama: int
    seccomp: int
    dumpable: bool
    tracer: int

    def refusal(self) -> str | None:
        """Why tracing must fail and what to change, or None when nothing known forbids it."""
        if self.tracer:
            return f"Process {self.tracer} already traces this one; detach that debugger or tracer first."
        if self.yama == 3:
            return (
                "The kernel forbids all tracing (kernel.yama.ptrace_scope is 3, which holds until the next "
                "boot); boot with 0, 1 or 2."
            )
        if self.capable:
            return None
        if self.yama == 2:
            return (
                "Tracing needs CAP_SYS_PTRACE here (kernel.yama.ptrace_scope is 2); grant that capability, "
                "in a container by --cap-add SYS_PTRACE, or set kernel.yama.ptrace_scope to 1."
            )
        if not self.dumpable:
            return (
                "This process is marked not dumpable (PR_SET_DUMPABLE), so only CAP_SYS_PTRACE may read "
                "it; grant that capability, or start it without set-uid, file capabilities or change of user."
            )
        return None


def read_rights(py_spy: Path) -> Rights:
    """The rights of this process as they are now."""
    status = _status()
    # Only root's children keep the effective set over exec; others need it ambient, or on the file itself.
    held = int(status.get("CapEff" if os.geteuid() == 0 else "CapAmb", "0"), 16)
    return Rights(
        capable=bool(held >> _CAP_SYS_PTRACE & 1) or _has_file_capabilities(py_spy),
        yama=_yama_scope(),
        seccomp=int(status.get("Seccomp", "0")),
        dumpable=_prctl(_PR_GET_DUMPABLE, 0) in (1, -1),
        tracer=int(status.get("TracerPid", "0")),
    )


def find_py_spy(configured: str | None) -> Path:
    """The program: as configured, on PATH, or beside the interpreter. Raises ProfilerMissing."""
    if configured is not None:
        found = shutil.which(configured)
    else:
        found = shutil.which("py-spy") or shutil.which("py-spy", path=str(Path(sys.executable).parent))
    if found is None:
        where = configured or "py-spy"
        raise ProfilerMissing(
            f"The program {where} was not found; install the package py-spy or use engine=inprocess."
        )
    return Path(found)


def explain_failure(said: str, rights: Rights) -> str | None:
    """The sentence for a refusal that only showed when py-spy tried; None for any other message."""
    text = said.lower()
    if not any(
        sign in text
        for sign in ("permission denied", "eperm", "operation not permitted", "failed to suspend")
    ):
        return None
    if rights.seccomp == 2:
        return (
            "The system refused py-spy although nothing but a seccomp filter stands in its way; allow "
            "ptrace and process_vm_readv in that filter, in a container by --cap-add SYS_PTRACE or "
            "--security-opt seccomp=unconfined."
        )
    return (
        "The system refused py-spy; run it with CAP_SYS_PTRACE (in a container --cap-add SYS_PTRACE) and "
        "make sure that no debugger is attached to this process."
    )


def allow_tracer(pid: int) -> None:
    """Under Yama scope 1 a child may trace its parent only when named by it; 0 withdraws the leave."""
    _prctl(_PR_SET_PTRACER, pid)


def _prctl(option: int, argument: int) -> int:
    if not sys.platform.startswith("linux"):
        return -1
    import ctypes  # a thirtieth of a node's start, for what only a profile asks

    return int(ctypes.CDLL(None).prctl(option, ctypes.c_ulong(argument), 0, 0, 0))


def _status() -> dict[str, str]:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _yama_scope() -> int:
    try:
        return int(_YAMA.read_text())
    except (OSError, ValueError):
        return 0


def _has_file_capabilities(path: Path) -> bool:
    try:
        return bool(os.getxattr(path, "security.capability"))
    except (OSError, AttributeError):
        return False
