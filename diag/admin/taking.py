"""Taking a profile and keeping it: the one way, whichever route asked."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from fastapi import Request, Response

from diag.admin.relay import plain
from diag.errors import InvalidRequest
from diag.profilers.about import About, Load
from diag.profilers.capture import Capture
from diag.profilers.hub import Profilers
from diag.profilers.keeper import Keeper, Kept
from diag.profilers.requests import CpuRequest, HeapRequest, TraceRequest

ProfileRequest = CpuRequest | HeapRequest | TraceRequest

#: A profile's kinds, by the word for them in a path or a parameter.
REQUESTS: Final[Mapping[str, type[ProfileRequest]]] = {
    "cpu": CpuRequest,
    "heap": HeapRequest,
    "trace": TraceRequest,
}
#: Where each is taken while the client waits.
PATHS: Final = {"cpu": "/debug/pprof/profile", "heap": "/debug/pprof/heap", "trace": "/debug/pprof/trace"}
_WHAT: Final = {"cpu": "CPU profile", "heap": "memory profile", "trace": "call trace"}

#: Of a profile that is kept, and of one that is not: why.
ID_HEADER: Final = "X-Profile-Id"
NOT_KEPT_HEADER: Final = "X-Profile-Not-Kept"


@dataclass(frozen=True, slots=True)
class Taken:
    """A capture, its notes telling where it is kept, and what became of it."""

    capture: Capture
    kept: Kept

    def mark(self, response: Response) -> Response:
        """``response`` with the profile's id and the load meanwhile, or with the reason why it has none."""
        if self.kept.about is not None:
            response.headers[ID_HEADER] = self.kept.about.id
            response.headers.update(_headers(self.kept.about))
        if self.kept.reason:
            response.headers[NOT_KEPT_HEADER] = plain(self.kept.reason)
        return response


def refuse_foreign_pictures(wanted: ProfileRequest) -> None:
    """InvalidRequest for what only one node can be asked for."""
    if isinstance(wanted, TraceRequest) and wanted.renderer == "flameprof":
        raise InvalidRequest("renderer=flameprof draws one node; with node=all leave it out, or name a node.")


async def take_one(profilers: Profilers, wanted: ProfileRequest, who: str) -> Capture:
    """One profile of this process, for ``who``."""
    if isinstance(wanted, CpuRequest):
        return await profilers.cpu(wanted, f"{_WHAT['cpu']} for {who}")
    if isinstance(wanted, HeapRequest):
        return await profilers.heap(wanted, f"{_WHAT['heap']} for {who}")
    return await profilers.trace(wanted, f"{_WHAT['trace']} for {who}")


class Watched:
    """A profile of this process, and the service's counters at both its ends; empty while there is none."""

    def __init__(self, keeper: Keeper, work: Callable[[], Awaitable[Capture]]) -> None:
        self._keeper = keeper
        self._work = work
        self.before = Load()
        self.after = Load()

    async def take(self) -> Capture:
        before = self._keeper.load()
        capture = await self._work()
        self.before, self.after = before, self._keeper.load(capture.seconds)
        return capture


async def keep_after(
    keeper: Keeper,
    own: Watched,
    take: Callable[[], Awaitable[Capture]] | None = None,
    *,
    name: str | None,
    nodes: Callable[[], tuple[int, ...]],
    id_: str | None = None,
) -> Taken:
    """Take a profile of ``nodes``, told once it is there, and keep it. Raises what ``take`` raises.

    ``take`` is what has more than this node's ``own`` in it: the load is that of the own part, not of the
    wait for others.
    """
    capture = await (take or own.take)()
    kept = await keeper.keep(capture, name, nodes(), own.before, id_, after=own.after)
    return Taken(replace(capture, notes=(*capture.notes, *_load(kept), _sentence(kept))), kept)


def client_of(request: Request) -> str:
    """Who asked, for whoever has to wait."""
    return request.client.host if request.client else "another node"


def parameters(kind: type[Any]) -> list[str]:
    """What a request of this kind takes."""
    return [field.name for field in fields(kind)]


def _load(kept: Kept) -> list[str]:
    """What the service did while the profile was taken, so that its cost and its weight can be judged."""
    about = kept.about
    if about is None or about.load.requests is None or not about.seconds:
        return []
    told = f"While it was taken the node answered {about.load.requests / about.seconds:,.0f} RPCs a second"
    if about.load.requests_before is not None:
        told += f", {about.load.requests_before:,.0f} before"
    if about.load.cpu_seconds is not None:
        told += f" with {about.load.cpu_seconds / about.seconds:.0%} of a core"
    if about.load.loop_lag_seconds is not None:
        told += f"; its event loop was at most {about.load.loop_lag_seconds * 1e3:.1f} ms late"
    return [f"{told}."]


def _headers(about: About) -> dict[str, str]:
    """Calls a second before and during the profile, and the event loop's worst lag in seconds."""
    load = about.load
    during = None if load.requests is None or not about.seconds else load.requests / about.seconds
    figures = {
        "Calls-Before": None if load.requests_before is None else f"{load.requests_before:.1f}",
        "Calls": None if during is None else f"{during:.1f}",
        "Loop-Lag": None if load.loop_lag_seconds is None else f"{load.loop_lag_seconds:.4f}",
    }
    return {f"X-Profile-{name}": value for name, value in figures.items() if value is not None}


def _sentence(kept: Kept) -> str:
    if kept.about is None:
        return f"Not kept: {kept.reason}"
    called = f" as {kept.about.name}" if kept.about.name else ""
    return f"Kept{called}: /debug/profiles/{kept.about.id}. {kept.reason}".strip()
