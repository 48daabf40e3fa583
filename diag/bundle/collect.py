"""Asks all nodes for all items at the same time, and puts what comes, or why it does not, into the archive.

A node's answer is waited for within a bound. One that does not say its own status is asked no further
question but at the moments, so that a frozen node costs the bundle little and one that comes back is in it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from diag.bundle import items
from diag.bundle.archive import Archive, Entry
from diag.bundle.items import Item, Plan
from diag.errors import MetaError
from diag.redact import Redactor

_PICTURE_SECONDS: Final = 60.0
_ID: Final = "x-profile-id"


class Answer(NamedTuple):
    """What a node said; header names are lower case."""

    content: bytes
    headers: Mapping[str, str]


#: Asks a node, None for the one that asks the others, for a path; MetaError where it gives none.
Ask = Callable[[int | None, str, float], Awaitable[Answer]]


class Collection:
    """One bundle in the making. ``nodes`` are those whose evidence is taken."""

    def __init__(
        self, ask: Ask, nodes: Sequence[int], plan: Plan, archive: Archive, redactor: Redactor
    ) -> None:
        self._ask = ask
        self._nodes = nodes
        self._plan = plan
        self._archive = archive
        self._redactor = redactor
        self._began = time.time()
        self._under_way: dict[tuple[int | None, str], float] = {}
        self._silent: dict[int, str] = {}

    @property
    def progress(self) -> float:
        """From 0 to 1, by the items there will be."""
        each = len(list(items.once())) + 2 * self._plan.moments + (4 if self._plan.profiles else 0)
        return min(1.0, len(self._archive.entries) / (each * len(self._nodes) + 4))

    @property
    def absent(self) -> list[int]:
        """The nodes of which nothing came."""
        heard = {entry.node for entry in self._archive.entries if entry.state == "ok"}
        return [node_id for node_id in self._nodes if node_id not in heard]

    async def run(self) -> None:
        """Ask until all is there. When it is cancelled, what is there stays, and the rest is noted."""
        try:
            await self._several(None, items.of_cluster("start"))
            async with asyncio.TaskGroup() as working:
                for node_id in self._nodes:
                    working.create_task(self._node(node_id))
            await self._several(None, items.of_cluster("end"))
        except asyncio.CancelledError:
            self._note_under_way()
            raise
        except BaseExceptionGroup as group:
            raise _first(group) from None

    def about(self, *, interrupted: bool, **more: Any) -> dict[str, Any]:
        """The head of the index."""
        return {
            "format": 1,
            **more,
            "began": self._began,
            "ended": time.time(),
            "interrupted": interrupted,
            "nodes": list(self._nodes),
            "absent": self.absent,
            "duration": self._plan.duration,
            "interval": self._plan.interval,
        }

    async def _node(self, node_id: int) -> None:
        first, *others = items.once()
        await self._one(node_id, first)
        async with asyncio.TaskGroup() as working:
            working.create_task(self._moments(node_id))
            working.create_task(self._several(node_id, others))
            if self._plan.profiles:
                working.create_task(self._several(node_id, items.profiles(self._plan.profile_seconds)))

    async def _moments(self, node_id: int) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for moment in range(self._plan.moments):
            await asyncio.sleep(began + moment * self._plan.interval - loop.time())
            status, *others = items.at_each_moment(moment)
            await self._one(node_id, status)
            await self._several(node_id, others)

    async def _several(self, node_id: int | None, wanted: Iterable[Item]) -> None:
        for item in wanted:
            if node_id is not None and node_id in self._silent:
                self._archive.note(self._entry(node_id, item, "skipped", time.time(), self._silent[node_id]))
            else:
                await self._one(node_id, item)

    async def _one(self, node_id: int | None, item: Item) -> None:
        began = time.time()
        self._under_way[node_id, item.name] = began
        try:
            answer = await self._ask(node_id, item.path, item.within)
        except MetaError as failure:
            self._failed(node_id, item, began, failure)
        else:
            if node_id is not None and item.path == items.STATUS:
                self._silent.pop(node_id, None)
            await self._keep(node_id, item, began, answer.content)
            if item.picture is not None and _ID in answer.headers:
                await self._picture(node_id, item.picture, answer.headers[_ID])
        self._under_way.pop((node_id, item.name), None)

    async def _picture(self, node_id: int | None, name: str, profile: str) -> None:
        path = f"/debug/profiles/{profile}?format=svg"
        await self._one(node_id, Item(name, path, _PICTURE_SECONDS, text=False))

    def _failed(self, node_id: int | None, item: Item, began: float, failure: MetaError) -> None:
        if node_id is not None and item.path == items.STATUS:
            self._silent[node_id] = f"it did not answer before: {failure}"
        state = "skipped" if item.optional else "failed"
        self._archive.note(self._entry(node_id, item, state, began, self._redactor.text(str(failure))))

    async def _keep(self, node_id: int | None, item: Item, began: float, content: bytes) -> None:
        entry = self._entry(node_id, item, "ok", began)

        def put() -> None:
            text = self._redactor.text(content.decode("utf-8", "replace")).encode() if item.text else content
            self._archive.add(entry, text)

        # Searching and compressing what is large would hold the loop.
        await asyncio.to_thread(put)

    def _entry(
        self, node_id: int | None, item: Item, state: Any, began: float, error: str | None = None
    ) -> Entry:
        directory = "" if node_id is None else f"nodes/{node_id}/"
        return Entry(
            item=item.name,
            name=f"{directory}{item.name}",
            node=node_id,
            state=state,
            when=round(began, 3),
            seconds=round(time.time() - began, 3),
            source=item.path,
            error=error,
        )

    def _note_under_way(self) -> None:
        for (node_id, name), began in self._under_way.items():
            item = Item(name, "")
            self._archive.note(
                self._entry(node_id, item, "failed", began, "the bundle was ended before it came")
            )


def _first(failure: BaseException) -> BaseException:
    """What went wrong first, out of groups within groups."""
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return failure
