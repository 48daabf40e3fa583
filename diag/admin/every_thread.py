"""The stacks of all nodes, one after the other."""

import json
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from diag.admin.relay import SOON, Relay, missing_headers, question_of
from diag.errors import MetaError
from diag.profilers.hub import Profilers
from diag.replication import NodeAddress


async def answer(request: Request, relay: Relay, profilers: Profilers, form: str) -> Response:
    """``form`` is ``text`` or ``json``: an array with one object a node, its ``id`` beside its stacks."""

    async def here() -> str:
        dump = profilers.stacks()
        return json.dumps(dump.as_dict()) if form == "json" else dump.text()

    async def there(node: NodeAddress) -> str:
        heard = await relay.hear(node, question_of(request, format=form), SOON)
        return heard.content.decode("utf-8", "replace")

    results = await relay.everyone(here, there)
    missing = [(node, result) for node, result in results if isinstance(result, MetaError)]
    headers = {"Cache-Control": "no-store", **missing_headers(missing)}
    if form == "json":
        return JSONResponse([_object(node, result) for node, result in results], headers=headers)
    return PlainTextResponse("\n".join(_text(node, result) for node, result in results), headers=headers)


def _object(node: NodeAddress, result: str | MetaError) -> dict[str, Any]:
    about = {"id": node.node_id, "name": node.name}
    return about | ({"error": str(result)} if isinstance(result, MetaError) else json.loads(result))


def _text(node: NodeAddress, result: str | MetaError) -> str:
    told = f"{result}\n" if isinstance(result, MetaError) else result
    return f"==== node {node.node_id} ====\n{told}"
