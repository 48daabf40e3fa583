"""``/v1/health``, ``/livez`` and ``/readyz``.

A process that answers is alive, whatever else is wrong, because a restart
helps nothing but a stuck process. Whether it should get traffic is ``/readyz``.
So the first two take any parameters, as a probe may add some: refused ones would
have the process restarted. Those of ``/readyz`` are read, and a wrong one is told.
"""

import asyncio
from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse

from diag.admin import queries
from diag.admin.checks import Check
from diag.admin.methods import READ

#: What a check is waited for; all run at the same time.
CHECK_SECONDS = 3.0


def router(checks: Sequence[Check]) -> APIRouter:
    """``/readyz`` runs all ``checks`` that ``exclude=NAME`` does not name."""
    routes = APIRouter()
    names = [check.name for check in checks]

    @routes.api_route("/v1/health", methods=READ)
    async def health() -> JSONResponse:
        return JSONResponse({"status": "pass"})

    @routes.api_route("/livez", methods=READ)
    async def livez() -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    @routes.api_route("/readyz", methods=READ)
    async def readyz(request: Request) -> PlainTextResponse:
        params = queries.only(request, ["verbose"], repeated=["exclude"])
        excluded = set(request.query_params.getlist("exclude"))
        for name in excluded.difference(names):
            raise queries.unknown_name("check", name, names)
        return await _report(checks, excluded, queries.flag(params, "verbose"))

    return routes


async def _report(checks: Sequence[Check], excluded: set[str], verbose: bool) -> PlainTextResponse:
    reasons = await asyncio.gather(*(_reason(check) for check in checks if check.name not in excluded))
    ran = iter(reasons)
    lines = [
        f"[+]{check.name} excluded" if check.name in excluded else _line(check.name, next(ran))
        for check in checks
    ]
    failed = sum(reason is not None for reason in reasons)
    if not failed and not verbose:
        return PlainTextResponse("ok\n")
    shown = lines if verbose else [line for line in lines if line.startswith("[-]")]
    verdict = f"not ready: {failed} of {len(checks)} checks failed" if failed else "ready"
    return PlainTextResponse("\n".join([*shown, verdict, ""]), 503 if failed else 200)


async def _reason(check: Check) -> str | None:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check.run()
    except TimeoutError:
        return f"it gave no result within {CHECK_SECONDS:g} s"


def _line(name: str, reason: str | None) -> str:
    return f"[+]{name} ok" if reason is None else f"[-]{name} failed: {reason}"
