"""A line in the log for each request that changes state, takes evidence, or was refused it.

Who, with which role and from where, what, under which request id, and what became of it.
"""

import json
import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from diag.admin.roles import ANONYMOUS, CALLER, Caller
from diag.admin.rules import rule_of
from diag.logs.formats import AUDIT

_log = logging.getLogger("diag.audit")


class Audit:
    """ASGI middleware, within the one that gives each request its id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            route = scope.get("route")
            rule = rule_of(scope["method"], route.path) if route is not None else None
            if rule is not None and rule.audited:
                _log.log(AUDIT, _line(scope, status, time.monotonic() - began))


def _line(scope: Scope, status: int, seconds: float) -> str:
    caller: Caller = scope.get(CALLER) or ANONYMOUS
    client = scope.get("client")
    query = scope["query_string"].decode("latin-1")
    facts = {
        "method": scope["method"],
        "path": scope["path"] + (f"?{query}" if query else ""),
        "caller": caller.name,
        "role": caller.role.word if caller.role else None,
        "how": caller.how,
        "address": client[0] if client else None,
        "status": status or None,
        "seconds": round(seconds, 3),
    }
    # JSON, for what a client sends must not look like a line of its own.
    return " ".join(f"{name}={json.dumps(value)}" for name, value in facts.items())
