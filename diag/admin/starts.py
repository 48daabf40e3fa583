"""Profiles that run in the background: asked for now, fetched later by their ids."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from diag.admin.background import Background
from diag.admin.taking import Taken
from diag.errors import Conflict, MetaError, Unavailable
from diag.profilers.about import new_id

#: Ended ones that are remembered: a kept profile speaks for itself, the others are told from here.
_REMEMBERED: Final = 8


@dataclass(frozen=True, slots=True)
class Started:
    """One profile on its way, or one that came to nothing."""

    id: str
    name: str | None
    kind: str
    seconds: float
    when: float
    task: "asyncio.Task[Taken]"

    def error(self) -> MetaError | None:
        """Why there is no profile; None while it runs and when there is one."""
        if not self.task.done():
            return None
        if self.task.cancelled():
            return Unavailable(f"The profile {self.id} was ended before it was done.")
        failure = self.task.exception()
        if failure is None or isinstance(failure, MetaError):
            return failure
        return MetaError(f"{type(failure).__name__} inside the node; its log has the details.")

    def as_dict(self) -> dict[str, Any]:
        """Only JSON types: ``state`` is running, failed, or unkept for one that only memory holds."""
        since = max(0.0, time.time() - self.when)
        error = self.error()
        about: dict[str, Any] = {"id": self.id, "name": self.name, "kind": self.kind, "when": self.when}
        if not self.task.done():
            left = max(0.0, self.seconds - since)
            return about | {
                "state": "running",
                "seconds": self.seconds,
                "elapsed": round(since, 3),
                "remaining": round(left, 3),
            }
        if error is not None:
            return about | {"state": "failed", "error": str(error)}
        return about | {"state": "unkept", "error": self.task.result().kept.reason}


class Starts:
    """At most one runs: whatever takes profiles refuses a second one at once."""

    def __init__(self, background: Background) -> None:
        self._background = background
        self._started: dict[str, Started] = {}
        self._changes = 0

    @property
    def changes(self) -> int:
        """Grows with each one that begins, ends or is forgotten."""
        return self._changes

    async def start(
        self, kind: str, seconds: float, name: str | None, take: Callable[[str], Awaitable[Taken]]
    ) -> Started:
        """Begin; ``take`` gets the id. Raises at once what it raises at once, as ProfilerBusy is."""

        async def run() -> Taken:
            return await take(id_)

        now = time.time()
        id_ = new_id(now)
        task = self._background.spawn(run(), name=f"profile {id_}")
        started = Started(id_, name, kind, seconds, round(now, 3), task)
        # The loop is fair: the task has run until it first waits, which is past the profiler's lock.
        await asyncio.sleep(0)
        error = started.error()
        if error is not None:
            raise error
        self._remember(started)
        return started

    def get(self, key: str) -> Started | None:
        """By id, or by name unless it failed; None when it is kept or was never there."""
        for one in self.all():
            if key == one.id or (key == one.name and one.error() is None):
                return one
        return None

    def require_kept(self, key: str) -> None:
        """Raises Conflict when the profile of this id or name is not on the disk, or not yet."""
        started = self.get(key)
        if started is not None:
            state = started.as_dict()["state"]
            raise Conflict(f"The profile {key} is {state} and not kept; see /debug/profiles/{started.id}.")

    def all(self) -> list[Started]:
        """Those that are not kept: running, failed, or without room on the disk; the newest first."""
        return [one for one in reversed(self._started.values()) if not _is_kept(one)]

    async def remove(self, started: Started) -> None:
        """Forget it; one that runs is ended first."""
        started.task.cancel()
        await asyncio.wait([started.task])
        self._started.pop(started.id, None)
        self._changes += 1

    def _remember(self, started: Started) -> None:
        self._started[started.id] = started
        self._changes += 1
        started.task.add_done_callback(self._ended)
        over = [one for one in self._started.values() if one.task.done()][:-_REMEMBERED]
        for one in over:
            del self._started[one.id]

    def _ended(self, _: "asyncio.Task[Taken]") -> None:
        self._changes += 1


def _is_kept(started: Started) -> bool:
    task = started.task
    return (
        task.done()
        and not task.cancelled()
        and task.exception() is None
        and task.result().kept.about is not None
    )
