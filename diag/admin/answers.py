"""A capture as an HTTP answer: the form asked for, and headers that say what was really measured."""

import base64
import hashlib
import re
import time
from html import unescape

from fastapi import Request, Response

from diag.admin import queries
from diag.admin.draw import Caption, draw
from diag.profilers.capture import Capture

FORMS = ("svg", "folded")
_MEDIA_TYPES = {"svg": "image/svg+xml", "folded": "text/plain; charset=utf-8"}
_SCRIPT = re.compile(rb"<script[^>]*>(.*?)</script>", re.DOTALL)
_CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_MAX_NOTES = 2000

_WHAT = {"cpu": "CPU", "heap": "Memory", "trace": "Call trace"}


def form_of(request: Request, asked: str | None) -> str:
    """``format=`` wins; then an Accept that names plain text and no picture; else the picture."""
    if asked is not None:
        return queries.one_of("format", asked, FORMS)
    accept = request.headers.get("accept", "")
    return "folded" if "text/plain" in accept and "image/" not in accept else "svg"


async def answer(capture: Capture, form: str, node_id: int) -> Response:
    """The response; a large picture is drawn outside this process."""
    if form == "folded":
        body = capture.folded
    elif capture.native_svg is not None:
        body = capture.native_svg.encode()
    else:
        body = await draw(capture.folded, _caption(capture, node_id))
    headers = measured(capture) | {
        "Content-Type": _MEDIA_TYPES[form],
        "Content-Disposition": f'inline; filename="{_filename(capture, form, node_id)}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    if form == "svg":
        headers["Content-Security-Policy"] = _policy(body)
    return Response(body, headers=headers)


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
        "Notes": _header_text(" ".join(capture.notes)),
    }
    return {f"X-Profile-{name}": value for name, value in figures.items() if value}


def _header_text(text: str) -> str:
    plain = "".join(char if " " <= char <= "~" else "?" for char in " ".join(text.split()))
    return plain if len(plain) <= _MAX_NOTES else plain[: _MAX_NOTES - 3] + "..."


def _caption(capture: Capture, node_id: int) -> Caption:
    parts = [capture.engine, f"mode {capture.mode}", f"{capture.seconds:.1f} s"]
    if capture.rate_effective is not None:
        parts.append(f"{capture.rate_effective:.1f} Hz")
    parts.append(f"{capture.samples} {'samples' if capture.kind == 'cpu' else 'records'}")
    if capture.errors:
        parts.append(f"{capture.errors} errors")
    what = "Wall clock" if capture.mode == "wall" else _WHAT.get(capture.kind, capture.kind)
    notes = capture.notes
    if capture.kind == "cpu" and not capture.folded and capture.mode != "wall":
        notes = (*notes, "The node used next to no CPU; mode=wall shows what its threads wait for.")
    return Caption(f"{what} of meta node {node_id}", ", ".join(parts), notes, capture.unit)


def _filename(capture: Capture, form: str, node_id: int) -> str:
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    return f"{capture.kind}-{capture.mode}-node{node_id}-{moment}.{form}"


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
