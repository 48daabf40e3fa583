"""A capture as an HTTP answer: the form asked for, and headers that say what was really measured."""

import asyncio
import base64
import hashlib
import io
import re
import time
import zipfile
from collections.abc import Mapping, Sequence
from html import unescape

from fastapi import Request, Response

from diag.admin import queries
from diag.admin.draw import Renderer
from diag.admin.drawing import Caption
from diag.admin.relay import plain
from diag.profilers.capture import Capture
from diag.profilers.labels import LABELS

FORMS = ("svg", "html", "folded", "pprof", "speedscope", "zip")
COMPARED = ("svg", "html", "text", "json")
MEDIA_TYPES = {
    "svg": "image/svg+xml",
    "html": "text/html; charset=utf-8",
    "folded": "text/plain; charset=utf-8",
    "text": "text/plain; charset=utf-8",
    "json": "application/json",
    "pprof": "application/octet-stream",
    "speedscope": "application/json",
    "zip": "application/zip",
}
_ENDINGS = {"pprof": "pb.gz", "speedscope": "speedscope.json", "text": "txt"}
_FILES = ("pprof", "zip")
_SCRIPT = re.compile(rb"<script[^>]*>(.*?)</script>", re.DOTALL)
_CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
#: A smaller share of the time is within the error of how it is estimated.
_LEAST_PERCENT = 0.01

_WHAT = {"cpu": "CPU", "heap": "Memory", "trace": "Call trace"}


def form_of(request: Request, asked: str | None, forms: Sequence[str] = FORMS) -> str:
    """``format=`` wins; then an Accept that names plain text and no picture; else the picture.

    Go's pprof tool, which names nothing, gets pprof.
    """
    if asked is not None:
        return queries.one_of("format", asked, forms)
    accept = request.headers.get("accept")
    if accept is None and request.headers.get("user-agent", "").startswith("Go-http-client"):
        return "pprof"
    return "folded" if "text/plain" in (accept or "") and "image/" not in (accept or "") else "svg"


def form_or_account(request: Request, asked: str | None) -> str:
    """As ``form_of``, for a profile that is kept; ``json`` is its account alone."""
    accept = request.headers.get("accept", "")
    if asked == "json" or (asked is None and "application/json" in accept and "image/" not in accept):
        return "json"
    return form_of(request, asked, (*FORMS, "json"))


def compared_form(request: Request, asked: str | None = None) -> str:
    """How two profiles are compared: as was asked for, else as is accepted, else as the picture."""
    if asked is not None:
        return queries.one_of("format", asked, COMPARED)
    accept = request.headers.get("accept", "")
    if "image/" in accept:
        return "svg"
    if "application/json" in accept:
        return "json"
    return "text" if "text/plain" in accept else "svg"


async def answer(renderer: Renderer, capture: Capture, form: str, *node_ids: int) -> Response:
    """The response for a capture of these nodes; ``zip`` is the business of ``archived``."""
    if form == "folded":
        body = capture.folded
    elif form == "svg":
        body = await picture(renderer, capture, *node_ids)
    else:
        stacks = capture.labelled or capture.folded if form == "pprof" else capture.folded
        body = await renderer.draw(stacks, _caption(capture, node_ids), form)
    return _response(capture, form, body, node_ids)


async def archived(renderer: Renderer, capture: Capture, parts: Mapping[int, Capture]) -> Response:
    """A zip of each node's picture and stacks, by node id, and of ``capture``, which is all in one."""
    files: dict[str, bytes] = {}
    for node_id, part in parts.items():
        files[f"node{node_id}.folded"] = part.folded
        files[f"node{node_id}.svg"] = await picture(renderer, part, node_id)
    if len(parts) > 1:
        files["all.folded"] = capture.folded
        files["all.svg"] = await picture(renderer, capture, *parts)
    files["notes.txt"] = "".join(f"{note}\n" for note in capture.notes).encode()
    return _response(capture, "zip", await asyncio.to_thread(_zip, files), tuple(parts))


async def picture(renderer: Renderer, capture: Capture, *node_ids: int) -> bytes:
    """The SVG; a large one is drawn outside this process."""
    if capture.native_svg is not None:
        return capture.native_svg.encode()
    return await renderer.draw(capture.folded, _caption(capture, node_ids))


def _response(capture: Capture, form: str, body: bytes, node_ids: Sequence[int]) -> Response:
    response = served(form, body, _filename(capture, form, node_ids))
    response.headers.update(measured(capture))
    return response


def served(form: str, body: bytes, called: str) -> Response:
    """What was made in ``form``, as a browser may safely show or save it. A page names its own policy."""
    headers = {
        "Content-Type": MEDIA_TYPES[form],
        "Content-Disposition": f'{"attachment" if form in _FILES else "inline"}; filename="{called}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    if form == "svg":
        headers["Content-Security-Policy"] = _policy(body)
    return Response(body, headers=headers)


def filename(stem: str, form: str) -> str:
    """The name of a file of that form."""
    return f"{stem}.{_ENDINGS.get(form, form)}"


def measured(capture: Capture) -> dict[str, str]:
    """The ``X-Profile-*`` headers. Rate is the effective one; a figure that was not taken has no header."""
    figures = {
        "Engine": capture.engine,
        "Mode": capture.mode,
        "Unit": capture.unit,
        "Seconds": f"{capture.seconds:.3f}",
        "Rate": None if capture.rate_effective is None else f"{capture.rate_effective:.2f}",
        "Rate-Asked": None if capture.rate_asked is None else f"{capture.rate_asked:g}",
        "Samples": str(capture.samples),
        "Errors": str(capture.errors),
        "Pause-Share": None if capture.pause_share is None else f"{capture.pause_share:.4f}",
        "Notes": plain(" ".join(capture.notes)),
    }
    return {f"X-Profile-{name}": value for name, value in figures.items() if value}


def _zip(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def _caption(capture: Capture, node_ids: Sequence[int]) -> Caption:
    parts = [capture.engine, f"mode {capture.mode}"]
    if capture.seconds:
        parts.append(f"{capture.seconds:.1f} s")
    if capture.rate_effective is not None:
        parts.append(f"{capture.rate_effective:.1f} Hz")
    parts.append(f"{capture.samples} {'samples' if capture.kind == 'cpu' else 'records'}")
    if capture.pause_share is not None:
        parts.append(f"stopped {_percent(capture.pause_share)} of the time")
    if capture.errors:
        parts.append(f"{capture.errors} errors")
    what = "Wall clock" if capture.mode == "wall" else _WHAT.get(capture.kind, capture.kind)
    notes = capture.notes
    if capture.kind == "cpu" and not capture.folded and capture.mode != "wall":
        notes = (*notes, "The node used next to no CPU; mode=wall shows what its threads wait for.")
    whose = "a program elsewhere"
    if node_ids:
        whose = f"meta node{'s' if len(node_ids) > 1 else ''} {', '.join(map(str, node_ids))}"
    labels = {} if capture.labelled is None else {"labels": ",".join(LABELS)}
    return Caption(f"{what} of {whose}", ", ".join(parts), notes, capture.unit, capture.metadata() | labels)


def _percent(share: float) -> str:
    """Two digits that count: a small share is not told as none."""
    percent = 100 * share
    if 0 < percent < _LEAST_PERCENT:
        return f"less than {_LEAST_PERCENT:g} %"
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %"


def _filename(capture: Capture, form: str, node_ids: Sequence[int]) -> str:
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    whose = f"node{node_ids[0]}" if len(node_ids) == 1 else "all"
    mode = capture.mode.replace(", ", "-")
    return filename(f"{capture.kind}-{mode}-{whose}-{moment}", form)


def _policy(svg: bytes) -> str:
    """Nothing is loaded from anywhere; of scripts, only those that are in the picture."""
    hashes = " ".join(f"'sha256-{_script_hash(found)}'" for found in _SCRIPT.findall(svg))
    return f"default-src 'none'; style-src 'unsafe-inline'; script-src {hashes or chr(39) + 'none' + chr(39)}"


def _script_hash(content: bytes) -> str:
    """A browser hashes the script's text, as the XML parser hands it over."""
    text = content.decode().replace("\r\n", "\n")
    parts = _CDATA.split(text)
    plain = "".join(part if at % 2 else unescape(part) for at, part in enumerate(parts))
    return base64.b64encode(hashlib.sha256(plain.encode()).digest()).decode()
