"""``/debug/log``: the last lines of the node's own log, or of its etcd member's, with secrets taken out."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response

from diag.admin import queries
from diag.admin.methods import READ
from diag.admin.relay import PARAMETERS, SOON, Relay
from diag.errors import NotFound, StoreError
from diag.redact import Redactor

MOST_LINES: Final = 100_000

#: Of a file with longer lines fewer are shown.
_MOST_BYTES: Final = 8 << 20


def router(logs: Mapping[str, Path], redactor: Redactor, relay: Relay) -> APIRouter:
    """``logs`` are the files there are, by ``source``."""
    routes = APIRouter()

    @routes.api_route("/debug/log", methods=READ)
    async def log(request: Request) -> Response:
        params = queries.only(request, ["source", "lines", *PARAMETERS])
        target = relay.one(request, params)
        source = queries.one_of("source", params.get("source", "node"), ["node", "etcd"])
        lines = queries.whole("lines", params.get("lines", "500"), 1, MOST_LINES)
        if target is not None:
            return await relay.pass_on(request, target, SOON)
        if source not in logs:
            raise NotFound(
                "This node writes no log file; set [log.file] on = true, or look at its standard error."
                if source == "node"
                else "This node has no etcd member; its log is kept in its store."
            )
        text = await asyncio.to_thread(lambda: redactor.text(_last(logs[source], lines)))
        return PlainTextResponse(text, headers={"Cache-Control": "no-store"})

    return routes


def _last(path: Path, lines: int) -> str:
    """The last lines, read from the end: a log may be large."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _MOST_BYTES))
            content = file.read(_MOST_BYTES)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise StoreError(f"The log {path} cannot be read: {error.strerror}.") from None
    kept = content.splitlines(keepends=True)
    if size > _MOST_BYTES:
        del kept[0]  # cut in two
    return b"".join(kept[-lines:]).decode("utf-8", "replace")
