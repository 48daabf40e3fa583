"""``/debug/bundle``: one file of evidence, made in the background and fetched when it is done."""

import asyncio
import os
import time
from dataclasses import dataclass
from typing import IO, Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.responses import StreamingResponse

from diag.admin import queries
from diag.admin.background import Background
from diag.admin.methods import READ
from diag.admin.relay import Relay, question_of
from diag.admin.tunnel import Tunnel
from diag.bundle.archive import Archive
from diag.bundle.collect import Answer, Ask, Collection
from diag.bundle.items import Plan
from diag.errors import Conflict, InvalidRequest, MetaError, NotFound, NotInTime, Unavailable
from diag.profilers.about import is_id, new_id
from diag.profilers.scratch import open_scratch
from diag.redact import Redactor
from diag.replication import Question

#: Bytes of a bundle that a node makes; ``diag bundle`` makes larger ones where it runs.
CAP: Final = 64 << 20

_FRESH: Final = {"Cache-Control": "no-store"}
_PART: Final = 1 << 18


@dataclass
class _Bundle:
    """One in the making, or the last one made. ``file`` has no name: it goes with the process."""

    id: str
    plan: Plan
    collection: Collection
    archive: Archive
    file: IO[bytes]
    task: "asyncio.Task[None]"

    def as_dict(self) -> dict[str, Any]:
        """Only JSON types; ``state`` is running, done or failed."""
        told: dict[str, Any] = {"id": self.id, "progress": round(self.collection.progress, 3)}
        entries = self.archive.entries
        told |= {"items": len(entries), "failed": sum(entry.state == "failed" for entry in entries)}
        told |= {"bytes": self.archive.size, "notes": self.plan.notes}
        if not self.task.done():
            return told | {"state": "running"}
        told |= {"absent": self.collection.absent}
        failure = self._failure()
        if failure is not None:
            return told | {"state": "failed", "error": failure}
        return told | {"state": "done", "progress": 1.0}

    def _failure(self) -> str | None:
        if self.task.cancelled():
            return "It was ended before it was done."
        failure = self.task.exception()
        if failure is None:
            return None
        return str(failure) if isinstance(failure, MetaError) else type(failure).__name__


class Bundles:
    """At most one runs, and the last one is kept until the next begins."""

    def __init__(
        self, relay: Relay, own: Tunnel, background: Background, redactor: Redactor, version: str
    ) -> None:
        self._relay = relay
        self._own = own
        self._background = background
        self._redactor = redactor
        self._version = version
        self._last: _Bundle | None = None

    def start(self, request: Request, plan: Plan, nodes: list[int]) -> _Bundle:
        """Begin. Conflict while one runs, NoSpace without room for a temporary file."""
        if self._last is not None and not self._last.task.done():
            raise Conflict(f"A bundle is being made already; see /debug/bundle/{self._last.id}.")
        self.forget()
        id_, file = new_id(time.time()), open_scratch(None)
        archive = Archive(file, f"metadiag-bundle-{id_}", CAP)
        collection = Collection(self._asker(request), nodes, plan, archive, self._redactor)
        task = self._background.spawn(self._make(collection, archive), name=f"bundle {id_}")
        self._last = _Bundle(id_, plan, collection, archive, file, task)
        return self._last

    def get(self, id_: str) -> _Bundle:
        """NotFound for any but the last one."""
        if self._last is None or self._last.id != id_:
            raise NotFound("There is no bundle of this id: a node keeps the last one, until it stops.")
        return self._last

    def last(self) -> _Bundle | None:
        return self._last

    def forget(self) -> None:
        """The last one goes, and ends when it runs."""
        if self._last is not None:
            self._last.task.cancel()
            self._last.file.close()
            self._last = None

    async def _make(self, collection: Collection, archive: Archive) -> None:
        await collection.run()
        about = collection.about(
            interrupted=False, made_by=f"metadiag {self._version}", by_node=self._relay.own()
        )
        await asyncio.to_thread(archive.close, about)

    def _asker(self, request: Request) -> Ask:
        """Asks with the authority of who asked for the bundle, for as long as it is made."""
        asked = question_of(request)

        async def ask(node_id: int | None, path: str, within: float) -> Answer:
            question = Question("GET", path, asked.headers)
            own = node_id is None or node_id == self._relay.own()
            if own:
                return await _heard(self._own, question, within)
            node = self._relay.members().get(node_id or 0)
            if node is None:
                raise NotFound(f"Node {node_id} is no member any more.")
            heard = await self._relay.hear(node, question, within)
            return Answer(heard.content, heard.headers)

        return ask


def router(bundles: Bundles, relay: Relay) -> APIRouter:
    """Start, look, fetch, forget."""
    routes = APIRouter()

    @routes.post("/debug/bundle")
    async def start(request: Request) -> Response:
        params = queries.only(request, ["duration", "interval", "nodes", "profiles"])
        plan = Plan(
            duration=queries.number("duration", params.get("duration", "30"), 1, 600),
            interval=queries.number("interval", params.get("interval", "10"), 1, 600),
            profiles=queries.flag({"profiles": "true", **params}, "profiles"),
        )
        started = bundles.start(request, plan, _nodes(relay, params.get("nodes", "all")))
        return _told(started, 202)

    @routes.api_route("/debug/bundle", methods=READ)
    async def last(request: Request) -> Response:
        queries.only(request, [])
        made = bundles.last()
        return JSONResponse([] if made is None else [made.as_dict()], headers=_FRESH)

    @routes.api_route("/debug/bundle/{id_}", methods=READ)
    async def get(request: Request, id_: str) -> Response:
        queries.only(request, [])
        made = bundles.get(_checked(id_))
        state = made.as_dict()["state"]
        if state == "running":
            return _told(made, 202)
        return _told(made, 410) if state == "failed" else _file(made)

    @routes.delete("/debug/bundle/{id_}")
    async def forget(request: Request, id_: str) -> Response:
        queries.only(request, [])
        bundles.get(_checked(id_))
        bundles.forget()
        return JSONResponse({"deleted": id_}, headers=_FRESH)

    return routes


def _nodes(relay: Relay, given: str) -> list[int]:
    members = relay.members()
    if given == "all":
        return list(members)
    wanted = [queries.whole("nodes", part) for part in given.split(",")]
    unknown = [str(node_id) for node_id in wanted if node_id not in members]
    if unknown:
        raise InvalidRequest(
            f"nodes names {', '.join(unknown)}; the members are {', '.join(map(str, members))}, or give all."
        )
    return sorted(set(wanted))


def _checked(id_: str) -> str:
    if not is_id(id_):
        raise NotFound("That is no id of a bundle; /debug/bundle has it.")
    return id_


def _told(made: _Bundle, status: int) -> Response:
    place = f"/debug/bundle/{made.id}"
    headers = {**_FRESH, "Location": place, "Retry-After": "1"}
    return JSONResponse(made.as_dict(), status, headers=headers)


def _file(made: _Bundle) -> Response:
    size = made.file.seek(0, 2)

    async def parts() -> Any:
        for offset in range(0, size, _PART):
            yield await asyncio.to_thread(_part, made.file, offset)

    headers = {
        **_FRESH,
        "Content-Length": str(size),
        "Content-Disposition": f'attachment; filename="metadiag-bundle-{made.id}.tar.gz"',
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(parts(), media_type="application/gzip", headers=headers)


def _part(file: IO[bytes], offset: int) -> bytes:
    return os.pread(file.fileno(), _PART, offset)


async def _heard(own: Tunnel, question: Question, within: float) -> Answer:
    """What this node's own app answers, within a bound."""
    try:
        async with asyncio.timeout(within):
            answer = await own(question)
            content = b"".join([part async for part in answer.body])
    except TimeoutError:
        raise NotInTime(f"This node has not answered within {within:g} s.") from None
    if answer.status >= 400:
        raise Unavailable(
            " ".join(content.decode("utf-8", "replace").split()) or f"HTTP status {answer.status}"
        )
    return Answer(content, answer.headers)
