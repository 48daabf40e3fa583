"""What every answer carries: its request's id, and what keeps a browser from being used against the node.

The referrer policy is same-origin and not no-referrer: with that a browser sends ``Origin: null`` from this
node's own forms, and no page of ours could be told from a page of others.
"""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from diag.logs import request_id

HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "SAMEORIGIN",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# A page without a policy of its own in the headers has one within itself, which this must not narrow.
_OF_PAGES = "base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
_OF_DATA = "default-src 'none'; frame-ancestors 'self'"


class ResponseHeaders:
    """ASGI middleware. A header that an answer has already stays as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent = dict(scope["headers"]).get(request_id.HEADER.encode())
        own = request_id.begin_request(None if sent is None else sent.decode("latin-1"))

        async def completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                complete(MutableHeaders(scope=message), own)
            await send(message)

        await self._app(scope, receive, completed)


def complete(headers: MutableHeaders, own_id: str | None) -> None:
    """Add what is missing."""
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    is_page = headers.get("content-type", "").startswith("text/html")
    headers.setdefault("Content-Security-Policy", _OF_PAGES if is_page else _OF_DATA)
    if own_id is not None:
        headers.setdefault(request_id.HEADER, own_id)
