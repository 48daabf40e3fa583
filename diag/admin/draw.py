"""Folded stacks to a picture or another format, here or in a process of its own.

A large profile takes the interpreter for seconds, so a child draws it: this
module run as a program reads one line of JSON (what to make, the captions) and
then the stacks from standard input, and writes what it made to standard output.
"""

import asyncio
import io
import json
import os
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import diag
from diag.errors import ProfilerError

if TYPE_CHECKING:
    from flamegraph import Diff, Profile

#: Up to this many bytes a worker thread draws in less time than a child takes to start.
IN_PROCESS_BYTES = 200_000
_CHILD_SECONDS = 120.0
_CHILD_NICENESS = 5


@dataclass(frozen=True)
class Caption:
    """What stands around the picture; ``unit`` is what the widths count.

    ``metadata`` is for formats that hold more than stacks; its ``labels`` are those that outermost frames
    stand for. ``rests_on`` is how many samples there are, and how many in what it is
    compared to, where the weights do not say so.
    """

    title: str
    subtitle: str
    notes: tuple[str, ...]
    unit: str
    metadata: dict[str, str] = field(default_factory=dict)
    rests_on: tuple[int, ...] = ()


async def draw(folded: bytes, caption: Caption, form: str = "svg", base: bytes | None = None) -> bytes:
    """The picture, or another form of ``made``; with ``base``, compared to those stacks.

    Cancelling ends a child that draws it; ProfilerError when it cannot be drawn.
    """
    if len(folded) + len(base or b"") <= IN_PROCESS_BYTES:
        return await asyncio.to_thread(made, folded, caption, form, base)
    child = _Child()
    try:
        return await asyncio.to_thread(child.run, folded, caption, form, base)
    except asyncio.CancelledError:
        child.kill()
        raise


def svg_of(folded: bytes, caption: Caption) -> bytes:
    """The SVG, drawn by the calling thread."""
    return made(folded, caption, "svg", None)


def made(folded: bytes, caption: Caption, form: str, base: bytes | None) -> bytes:
    """In ``form``: svg, html, or a format that flamegraph writes; with ``base`` svg, html, text or json."""
    import flamegraph  # a node starts without what draws
    from flamegraph.formats.folded import read_folded

    profile = read_folded(io.BytesIO(folded), caption.unit)
    subject: Profile | Diff = profile
    if base is not None:
        compared = read_folded(io.BytesIO(base), caption.unit)
        for one, samples in zip((profile, compared), caption.rests_on, strict=False):
            one.metadata["samples"] = str(samples)
        subject = flamegraph.diff(compared, profile)
        if form in ("text", "json"):
            return _told(subject, form).encode()
    if form in ("svg", "html"):
        render = flamegraph.render if form == "svg" else flamegraph.render_html
        return render(subject, title=caption.title, subtitle=caption.subtitle, notes=caption.notes).encode()
    written = io.BytesIO()
    profile.metadata.update(caption.metadata)
    flamegraph.write(profile, written, form)
    return written.getvalue()


def _told(compared: "Diff", form: str) -> str:
    if form == "text":
        return compared.summary()
    functions = [
        {
            "name": change.name,
            "base": change.base,
            "new": change.new,
            "base_total": change.base_total,
            "new_total": change.new_total,
            "z": change.z,
        }
        for change in compared.functions
        if change.growth or change.total_growth
    ]
    totals = {"unit": compared.unit, "base": compared.total_base, "new": compared.total_new}
    return json.dumps({"totals": totals, "functions": functions}, allow_nan=False)


class _Child:
    """One drawing process, which may be killed from another thread before, while or after it runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._killed = False
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, folded: bytes, caption: Caption, form: str, base: bytes | None) -> bytes:
        """Blocks, so call it in a worker thread; there Popen uses vfork and does not stop the loop."""
        with self._lock:
            if self._killed:
                return b""
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "diag.admin.draw"],
                env=_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        job = {"form": form, "base": None if base is None else len(base), "caption": asdict(caption)}
        header = json.dumps(job).encode() + b"\n" + (base or b"")
        with self._process as process:
            try:
                svg, complaint = process.communicate(header + folded, timeout=_CHILD_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise ProfilerError(
                    f"The profile of {len(folded)} bytes was not drawn within {_CHILD_SECONDS:g} s; "
                    "ask for format=folded."
                ) from None
        if process.returncode != 0:
            last = complaint.decode(errors="replace").strip().rpartition("\n")[2]
            raise ProfilerError(f"The process that draws the profile ended with {process.returncode}: {last}")
        return svg

    def kill(self) -> None:
        with self._lock:
            self._killed = True
            if self._process is not None:
                self._process.kill()


def _environment() -> dict[str, str]:
    """The child finds this very code, and nothing that lies in the directory the node was started in."""
    root = str(Path(str(diag.__file__)).parent.parent)
    path = os.environ.get("PYTHONPATH")
    return os.environ | {"PYTHONPATH": f"{root}{os.pathsep}{path}" if path else root}


def main() -> None:
    """The child: its work is less urgent than the service."""
    os.nice(_CHILD_NICENESS)
    job = json.loads(sys.stdin.buffer.readline())
    caption = Caption(**job["caption"] | {"notes": tuple(job["caption"]["notes"])})
    base = None if job["base"] is None else sys.stdin.buffer.read(job["base"])
    sys.stdout.buffer.write(made(sys.stdin.buffer.read(), caption, job["form"], base))


if __name__ == "__main__":
    main()
