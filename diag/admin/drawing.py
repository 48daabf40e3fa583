"""Folded stacks to a picture or another format, and the program that does so apart from the service.

As a program it reads one line of JSON (what to make, the captions) and then the stacks from standard input,
and writes what it made to standard output. It imports what draws and no more: a reader waits for its start.
"""

import io
import json
import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flamegraph import Diff, Profile

_NICENESS = 5


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


def main() -> None:
    """The program: its work is less urgent than the service."""
    os.nice(_NICENESS)
    job = json.loads(sys.stdin.buffer.readline())
    caption = Caption(**job["caption"] | {"notes": tuple(job["caption"]["notes"])})
    base = None if job["base"] is None else sys.stdin.buffer.read(job["base"])
    sys.stdout.buffer.write(made(sys.stdin.buffer.read(), caption, job["form"], base))


if __name__ == "__main__":
    main()
