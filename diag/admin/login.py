"""``/login``, ``/logout`` and ``/v1/whoami``: a browser shows a token once and gets a session for it."""

import json
import logging
import re
from typing import Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from diag.admin import queries
from diag.admin.dashboard.site import Site
from diag.admin.guard import Guard
from diag.admin.methods import READ
from diag.admin.own_page import is_a_program, why_not_own_page
from diag.admin.roles import Caller
from diag.admin.sessions import LIFE, cookie_name, cookie_of
from diag.admin.tokens import Token
from diag.errors import Conflict, Forbidden, InvalidRequest, TooManyTries, Unauthenticated

#: Where a browser goes that did not come from anywhere.
HOME: Final = "/"
_MOST_BODY = 16 << 10
_OWN_PATH = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")

_log = logging.getLogger(__name__)


def router(guard: Guard, site: Site) -> APIRouter:
    """POST takes a form, ``token`` and where to go ``next``, or the same as JSON."""
    routes = APIRouter()

    async def shown(to: str, complaint: str | None, status: int) -> Response:
        return await site.page("login.html", {"next": to, "complaint": complaint}, status)

    @routes.api_route("/login", methods=READ)
    async def page(request: Request) -> Response:
        params = queries.only(request, ["next"])
        return await shown(_own(params.get("next")), None, 200)

    @routes.post("/login", response_model=None)
    async def login(request: Request) -> Response:
        _require_no_other_page(request)
        given, to, is_form = await _sent(request)
        host = request.client.host if request.client else None
        try:
            token = _accepted(guard, host, given)
        except (Unauthenticated, TooManyTries) as error:
            if isinstance(error, Unauthenticated):  # the others are as many as somebody likes to send
                _log.warning("a login from %s failed: %s", host, error)
            if is_form:
                return await shown(to, str(error), error.http_status)
            raise
        caller = Caller(token.name, token.role, "session")
        response: Response = RedirectResponse(to, 303) if is_form else JSONResponse(_told(caller))
        _set_cookie(response, request, guard.sessions.begin(token.digest), LIFE)
        _log.info("%s logged in from %s with the role %s", token.name, host, token.role.word)
        return response

    @routes.post("/logout", response_model=None)
    async def logout(request: Request) -> Response:
        _require_no_other_page(request)
        cookie = cookie_of(request.scope, request.headers)
        if cookie:
            guard.sessions.end(cookie)
        response = RedirectResponse("/login", 303)
        _set_cookie(response, request, "", 0)
        return response

    @routes.api_route("/v1/whoami", methods=READ)
    async def whoami(request: Request) -> JSONResponse:
        queries.only(request, [])
        return JSONResponse(_told(guard.named(request)), headers={"Cache-Control": "no-store"})

    return routes


def _accepted(guard: Guard, host: str | None, given: str) -> Token:
    if not guard.has_keys:
        raise Conflict("This node has no tokens to log in with; see [admin] tokens_file.")
    token = guard.key(host, given)
    if token is None:
        raise Unauthenticated("This is not one of this node's tokens, or it expired.")
    return token


def _told(caller: Caller) -> dict[str, str | None]:
    return {"name": caller.name, "role": caller.role.word if caller.role else None, "how": caller.how}


def _require_no_other_page(request: Request) -> None:
    """A program that sends none of a browser's headers is welcome; another site's page is not."""
    if is_a_program(request.headers):
        return
    reason = why_not_own_page(request.method, request.headers)
    if reason is not None:
        raise Forbidden(f"This takes requests of this node's own pages alone, and {reason}.")


async def _sent(request: Request) -> tuple[str, str, bool]:
    """The token, where to go, and whether it came as a form."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BODY:
            raise InvalidRequest(f"The body is larger than {_MOST_BODY} bytes; it holds a token alone.")
    is_form = not request.headers.get("content-type", "").startswith("application/json")
    try:
        text = body.decode("utf-8")
        values = {key: found[-1] for key, found in parse_qs(text).items()} if is_form else json.loads(text)
    except ValueError as error:
        raise InvalidRequest(f"The body is no form and no JSON: {error}.") from None
    if not isinstance(values, dict) or not isinstance(values.get("token", ""), str):
        raise InvalidRequest("The body holds the token as text, under token.")
    return values.get("token", ""), _own(values.get("next")), is_form


def _own(path: object) -> str:
    """``path`` where it is one of this node, whatever a link to the login page says."""
    return path if isinstance(path, str) and _OWN_PATH.fullmatch(path) else HOME


def _set_cookie(response: Response, request: Request, value: str, seconds: float) -> None:
    response.set_cookie(
        cookie_name(request.scope),
        value,
        max_age=int(seconds),
        path="/",
        secure=request.scope.get("scheme") == "https",
        httponly=True,
        samesite="strict",
    )
