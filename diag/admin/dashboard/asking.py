"""What pages ask of the admin API itself, in the name of whoever looks at them and with no more rights."""

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import Request
from starlette.types import ASGIApp

from diag.admin.own_page import why_not_own_page
from diag.admin.relay import question_of
from diag.admin.roles import CALLER
from diag.admin.tunnel import Tunnel
from diag.errors import Conflict, Forbidden, InvalidRequest, MetaError, NotFound, NotInTime, Unavailable

_ERRORS: Final[Mapping[int, type[MetaError]]] = {
    400: InvalidRequest,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    504: NotInTime,
}


class Asking:
    """Questions go to ``app`` inside of the process; those with ``node=`` it passes on as ever."""

    def __init__(self, app: ASGIApp) -> None:
        self._tunnel = Tunnel(app, of_a_peer=False)

    async def content(self, request: Request, path: str, params: Mapping[str, str]) -> bytes:
        """The body of the answer; one that is an error is raised as such."""
        query = urlencode({name: value for name, value in params.items() if value})
        question = question_of(request)._replace(method="GET", path=f"{path}?{query}")
        answer = await self._tunnel(question)
        content = b"".join([part async for part in answer.body])
        if answer.status >= 400:
            error = _ERRORS.get(answer.status, Unavailable)
            raise error(content.decode("utf-8", "replace").strip()[:2000] or f"HTTP status {answer.status}")
        return content

    async def evidence(self, request: Request, path: str, params: Mapping[str, str]) -> bytes:
        """The same for what takes evidence: not because a page of somebody else asks for it."""
        caller = request.scope.get(CALLER)
        reason = why_not_own_page(request.method, request.headers)
        if caller is not None and caller.how == "session" and reason is not None:
            raise Forbidden(f"A session acts on requests of this node's own pages alone, and {reason}.")
        return await self.content(request, path, params)

    async def json(self, request: Request, path: str, params: Mapping[str, str]) -> Any:
        """The same, parsed."""
        return parsed(await self.content(request, path, params))


def parsed(content: bytes) -> Any:
    """``content`` as JSON. Unavailable when it is none."""
    try:
        return json.loads(content)
    except ValueError:
        raise Unavailable("The answer is no JSON.") from None
