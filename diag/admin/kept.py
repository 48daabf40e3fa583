"""``/debug/profiles``: every profile that was taken, to list, fetch and compare."""

import json
import math
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from diag.admin import answers, elsewhere, kept_views, queries
from diag.admin.draw import Renderer
from diag.admin.elsewhere import DRAWN_SECONDS
from diag.admin.kept_views import at, json_response
from diag.admin.methods import READ
from diag.admin.presence import CLIENT_GONE, while_present
from diag.admin.relay import PARAMETERS, SOON, Relay, missing_headers, question_of
from diag.admin.starts import Started, Starts
from diag.admin.taking import ID_HEADER, REQUESTS
from diag.errors import InvalidRequest, MetaError
from diag.profilers.about import About, checked_key, checked_name
from diag.profilers.capture import Capture
from diag.profilers.keeper import Keeper
from diag.profilers.requests import CPU_BY, CPU_MODES, HEAP_MODES
from diag.replication import NodeAddress

#: Each answers a question of its own; another tool's profile, and a trace, have none of them.
_MODES: Final = frozenset((*CPU_MODES, *HEAP_MODES))

#: An id or a name, and the node that keeps it, None for this one.
Key = tuple[str, str | None]


def router(keeper: Keeper, starts: Starts, relay: Relay, renderer: Renderer) -> APIRouter:
    """What only reads."""
    kept = _Kept(keeper, starts, relay, renderer)
    routes = APIRouter()
    routes.add_api_route("/debug/profiles", kept.listing, methods=READ, response_model=None)
    routes.add_api_route("/debug/profiles/{key}", kept.get, methods=READ, response_model=None)
    routes.add_api_route("/debug/profiles/{base}/diff/{new}", kept.diff, methods=READ, response_model=None)
    return routes


class _Kept:
    """What the routes do; each takes the request and what its path named."""

    def __init__(self, keeper: Keeper, starts: Starts, relay: Relay, renderer: Renderer) -> None:
        self._keeper = keeper
        self._starts = starts
        self._relay = relay
        self._renderer = renderer

    async def listing(self, request: Request) -> Response:
        params = queries.only(request, ["kind", "name", *PARAMETERS])
        target = self._relay.target(request, params)
        kind, name = params.get("kind"), params.get("name")
        if kind is not None:
            queries.one_of("kind", kind, REQUESTS)
        if name is not None:
            checked_name(name)
        if isinstance(target, NodeAddress):
            return await self._relay.pass_on(request, target, SOON)
        if target is not None:
            return await self._list_everyone(request, kind, name)
        return json_response(await self._listed(kind, name))

    async def get(self, request: Request, key: str) -> Response:
        params = queries.only(request, ["format", "by", *PARAMETERS])
        by = queries.one_of("by", params.pop("by", CPU_BY[0]), CPU_BY)
        form = answers.form_or_account(request, params.pop("format", None))
        target = self._relay.one(request, params)
        checked_key(key)
        if target is not None:
            return await self._relay.pass_on(request, target, DRAWN_SECONDS)
        started = self._starts.get(key)
        if started is not None:
            return await self._of_started(started, form)
        return await while_present(request, self._of_kept(key, form, by)) or Response(status_code=CLIENT_GONE)

    async def diff(self, request: Request, base: str, new: str) -> Response:
        params = queries.only(request, ["format", *PARAMETERS])
        form = answers.compared_form(request, params.pop("format", None))
        target = self._relay.one(request, params)
        parted = elsewhere.parted(base), elsewhere.parted(new)
        if target is not None:
            return await self._relay.pass_on(request, target, DRAWN_SECONDS)
        work = self._compared(request, *parted, form)
        return await while_present(request, work) or Response(status_code=CLIENT_GONE)

    async def _listed(self, kind: str | None, name: str | None) -> list[dict[str, Any]]:
        return [
            one
            for one in kept_views.listed(self._starts.all(), await self._keeper.all())
            if kind in (None, one.get("kind")) and name in (None, one["name"])
        ]

    async def _list_everyone(self, request: Request, kind: str | None, name: str | None) -> Response:
        async def here() -> Any:
            return await self._listed(kind, name)

        async def there(node: NodeAddress) -> Any:
            heard = await self._relay.hear(node, question_of(request), SOON)
            return json.loads(heard.content)

        results = await self._relay.everyone(here, there)
        missing = [(node, result) for node, result in results if isinstance(result, MetaError)]
        told = [_of_node(node, result) for node, result in results]
        return json_response(told, headers=missing_headers(missing))

    async def _of_started(self, started: Started, form: str) -> Response:
        about = kept_views.of_started(started)
        if not started.task.done():
            wait = {"Retry-After": str(max(1, math.ceil(about["remaining"])))}
            return json_response(about, 202, {**at(started.id), ID_HEADER: started.id, **wait})
        error = started.error()
        if error is not None:
            raise error
        if form == "json":
            return json_response(about)
        taken = started.task.result()
        return taken.mark(await answers.answer(self._renderer, taken.capture, form, self._relay.own()))

    async def _of_kept(self, key: str, form: str, by: str) -> Response:
        if form in ("json", "pprof"):
            about, packed = await self._keeper.packed(key)
            response = (
                json_response(kept_views.of_about(about))
                if form == "json"
                else answers.served(form, packed, answers.filename(_called(about), form))
            )
        else:
            about, capture = await self._keeper.capture(key, by_request=by == "request")
            capture = kept_views.noted(about, capture)
            if form == "zip":
                response = await answers.archived(self._renderer, capture, {about.node_id: capture})
            else:
                response = await answers.answer(self._renderer, capture, form, *about.nodes)
        response.headers[ID_HEADER] = about.id
        return response

    async def _compared(self, request: Request, base: Key, new: Key, form: str) -> Response:
        base_about, base_capture = await self._found(request, *base)
        new_about, new_capture = await self._found(request, *new)
        _require_alike((base[0], base_about), (new[0], new_about))
        caption = kept_views.comparison(base_about, new_about)
        body = await self._renderer.draw(new_capture.folded, caption, form, base_capture.folded)
        if form == "json":
            told = {"base": kept_views.of_about(base_about), "new": kept_views.of_about(new_about)}
            return json_response(told | json.loads(body))
        called = f"{_called(base_about)}-to-{_called(new_about)}"
        return answers.served(form, body, answers.filename(called, form))

    async def _found(self, request: Request, key: str, node_id: str | None) -> tuple[About, Capture]:
        node = None if node_id is None else self._relay.member(request, node_id)
        if node is not None:
            return await elsewhere.fetched(self._relay, request, node, key)
        self._starts.require_kept(key)
        return await self._keeper.capture(key)


def _of_node(node: NodeAddress, result: Any) -> dict[str, Any]:
    about = {"id": node.node_id, "name": node.name}
    return about | ({"error": str(result)} if isinstance(result, MetaError) else {"profiles": result})


def _require_alike(base: tuple[str, About], new: tuple[str, About]) -> None:
    """Refuse what counts different things: the difference would be no function's growth."""
    (base_key, base_about), (new_key, new_about) = base, new
    if base_about.unit != new_about.unit:
        raise InvalidRequest(
            f"{base_key} is in {base_about.unit} and {new_key} in {new_about.unit}; "
            "compare profiles of one unit."
        )
    modes = {base_about.mode, new_about.mode}
    if len(modes) > 1 and modes <= _MODES:
        raise InvalidRequest(
            f"{base_key} is of mode {base_about.mode} and {new_key} of mode {new_about.mode}; "
            "compare profiles of one mode."
        )


def _called(about: About) -> str:
    return about.name or about.id
