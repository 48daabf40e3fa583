"""Folded stacks to an SVG, here or in a process of its own.

A large profile takes the interpreter for seconds, so a child draws it: this
module run as a program reads one line of JSON (the captions) and then the
stacks from standard input, and writes the SVG to standard output.
"""

import asyncio
import io
import json
import os
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

import diag
from diag.errors import ProfilerError

#: Up to this many bytes a worker thread draws in less time than a child takes to start.
IN_PROCESS_BYTES = 200_000
_CHILD_SECONDS = 120.0
_CHILD_NICENESS = 5


@dataclass(frozen=True)
class Caption:
    """What stands around the picture; ``unit`` is what the widths count."""

    title: str
    subtitle: str
    notes: tuple[str, ...]
    unit: str


async def draw(folded: bytes, caption: Caption) -> bytes:
    """The SVG. Cancelling ends a child that draws it; ProfilerError when it cannot be drawn."""
    if len(folded) <= IN_PROCESS_BYTES:
        return await asyncio.to_thread(svg_of, folded, caption)
    child = _Child()
    try:
        return await asyncio.to_thread(child.run, folded, caption)
    except asyncio.CancelledError:
        child.kill()
        raise


def svg_of(folded: bytes, caption: Caption) -> bytes:
    """The SVG, drawn by the calling thread."""
    import flamegraph  # a node starts without what draws
    from flamegraph.formats.folded import read_folded

    profile = read_folded(io.BytesIO(folded), caption.unit)
    svg = flamegraph.render(profile, title=caption.title, subtitle=caption.subtitle, notes=caption.notes)
    return svg.encode()


class _Child:
    """One drawing process, which may be killed from another thread before, while or after it runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._killed = False
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, folded: bytes, caption: Caption) -> bytes:
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
        header = json.dumps(asdict(caption)).encode() + b"\n"
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
    fields = json.loads(sys.stdin.buffer.readline())
    caption = Caption(fields["title"], fields["subtitle"], tuple(fields["notes"]), fields["unit"])
    sys.stdout.buffer.write(svg_of(sys.stdin.buffer.read(), caption))


if __name__ == "__main__":
    main()
