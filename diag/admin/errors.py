"""Errors as plain text: one sentence, and the status that stands on the error's class."""

import logging
import math
from urllib.parse import urlencode

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from diag.admin.response_headers import complete
from diag.errors import MetaError, NoTurn, ProfilerBusy, TooManyTries, Unauthenticated
from diag.logs.request_id import current_request

_METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")

_log = logging.getLogger(__name__)


def install(app: FastAPI) -> None:
    """Answer every error of ``app`` as text."""
    app.add_exception_handler(MetaError, _meta_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)


async def _meta_error(request: Request, error: Exception) -> Response:
    status = error.http_status if isinstance(error, MetaError) else 500
    if isinstance(error, Unauthenticated) and _is_navigation(request):
        asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?{urlencode({'next': asked})}", 303, {"Cache-Control": "no-store"})
    headers = {}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="metadiag"'
    if isinstance(error, NoTurn | ProfilerBusy | TooManyTries):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    return _text(request, str(error), status, headers)


async def _http_error(request: Request, error: Exception) -> PlainTextResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict((error.headers or {}) if isinstance(error, HTTPException) else {})
    if status == 404:
        message = f"There is nothing at {request.url.path}; /debug/home lists what there is."
    elif status == 405:
        headers["Allow"] = ", ".join(_answered(request))
        message = f"{request.url.path} does not answer {request.method}; it answers {headers['Allow']}."
    else:
        message = str(error)
    return _text(request, message, status, headers)


async def _unexpected(request: Request, error: Exception) -> PlainTextResponse:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    # This answer is made outside of every middleware.
    response = _text(request, f"{type(error).__name__} inside the node; its log has the details.", 500, {})
    complete(response.headers, current_request())
    return response


def _answered(request: Request) -> list[str]:
    """The methods of all routes at the path: the one that refused knows its own alone."""
    return [
        method
        for method in _METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    ]


def _is_navigation(request: Request) -> bool:
    """Whether a person opens a page, who can log in, and no program that reads statuses."""
    wanted = request.headers.get("sec-fetch-dest", "document")
    return (
        request.method == "GET" and wanted == "document" and "text/html" in request.headers.get("accept", "")
    )


def _text(request: Request, message: str, status: int, headers: dict[str, str]) -> PlainTextResponse:
    if request.url.path.startswith(("/debug/pprof", "/debug/mem", "/debug/profiles")):
        # Go's pprof tool shows the text of an error only when this header stands on it.
        headers["X-Go-Pprof"] = "1"
    headers["Cache-Control"] = "no-store"
    return PlainTextResponse(f"{message}\n", status, headers)
