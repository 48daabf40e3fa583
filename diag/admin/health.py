"""``/v1/health``, ``/livez`` and ``/readyz``.

A process that answers is alive, whatever else is wrong, because a restart
helps nothing but a stuck process. Whether it should get traffic is ``/readyz``.
"""

from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse

from diag.admin import queries
from diag.admin.checks import Check
from diag.admin.methods import READ


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
    lines, failed = [], 0
    for check in checks:
        if check.name in excluded:
            lines.append(f"[+]{check.name} excluded")
            continue
        reason = await check.run()
        failed += reason is not None
        lines.append(f"[+]{check.name} ok" if reason is None else f"[-]{check.name} failed: {reason}")
    if not failed and not verbose:
        return PlainTextResponse("ok\n")
    shown = lines if verbose else [line for line in lines if line.startswith("[-]")]
    verdict = f"not ready: {failed} of {len(checks)} checks failed" if failed else "ready"
    return PlainTextResponse("\n".join([*shown, verdict, ""]), 503 if failed else 200)
