"""Keeps what profilers take: off the event loop, and never at the price of the profile itself."""

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple

from diag.errors import Conflict, InvalidRequest, MetaError, ProfilerError, ProfilerTooSlow
from diag.profilers import repack
from diag.profilers.about import About, Load, new_id
from diag.profilers.apart import Apart
from diag.profilers.capture import Capture
from diag.profilers.child import run_module
from diag.profilers.labels import LABEL, LABELS
from diag.profilers.scratch import filled_scratch
from diag.profilers.shelf import Entry, Shelf
from diag.profilers.work import in_thread

_MODULE: Final = "diag.profilers.repack"
_BROUGHT: Final = {"bytes": "heap", "microseconds": "trace", "calls": "trace"}

_log = logging.getLogger(__name__)


class Kept(NamedTuple):
    """What became of a profile: its account, or why it is not kept; both where only its name was refused."""

    about: About | None
    reason: str = ""


def _unknown(_seconds: float) -> Load:
    return Load()


class Keeper:
    """``node_id`` and ``version`` stand in every account; ``load`` counts what the service has done so far.
    It is told of how many seconds the event loop's worst lag is wanted. Large profiles are packed and read
    ``apart``.

    Await its methods on the event loop; their errors are those of ``Shelf``.
    """

    def __init__(
        self,
        shelf: Shelf,
        *,
        node_id: int,
        version: str,
        load: Callable[[float], Load] = _unknown,
        apart: Apart | None = None,
    ) -> None:
        self._shelf = shelf
        self._node_id = node_id
        self._version = version
        self._load = load
        self._apart = apart or Apart()

    @property
    def shelf(self) -> Shelf:
        return self._shelf

    def load(self, seconds: float = 0.0) -> Load:
        """The counters as they are now, at either end of a profile; at its end, with its ``seconds``."""
        return self._load(seconds)

    async def require(self, key: str) -> None:
        """Raises NotFound when no profile of this id or name is kept."""
        await asyncio.to_thread(self._shelf.require, key)

    async def require_free(self, name: str | None) -> None:
        """Raises Conflict when a profile has this name."""
        if name is not None:
            await asyncio.to_thread(self._shelf.require_free, name)

    def account(
        self,
        capture: Capture,
        before: Load,
        *,
        name: str | None = None,
        nodes: tuple[int, ...] | None = None,
        id_: str | None = None,
        after: Load | None = None,
    ) -> About:
        """The account of a capture that ended now; ``nodes`` by default is this one alone.

        ``after`` are the counters at the end of this node's own part, where others were waited for longer.
        """
        about = About.of(
            capture,
            id_=id_ or new_id(time.time()),
            name=name,
            node_id=self._node_id,
            nodes=(self._node_id,) if nodes is None else nodes,
            version=self._version,
        )
        told = LABELS if capture.labelled else ()
        load = _since(before, self._load(capture.seconds) if after is None else after)
        return replace(about, load=load, labels=told)

    async def keep(
        self,
        capture: Capture,
        name: str | None,
        nodes: tuple[int, ...],
        before: Load,
        id_: str | None = None,
        trigger: str | None = None,
        after: Load | None = None,
    ) -> Kept:
        """Keep a capture that ended now; whatever goes wrong is told and not raised. See ``account``."""
        about = self.account(capture, before, name=name, nodes=nodes, id_=id_, after=after)
        about = replace(about, trigger=trigger)
        try:
            packed = await self._packed(about, capture)
            kept = await in_thread("profile-keep", lambda _stop: self._shelf.add(about, packed))
        except MetaError as error:
            return Kept(None, str(error))
        except Exception as error:  # noqa: BLE001 - the profile is there, and is answered all the same
            _log.exception("a profile could not be kept in a way nobody foresaw")
            return Kept(None, f"{type(error).__name__} inside the node; its log has the details.")
        if kept.name != name:
            return Kept(kept, f"Another profile took the name {name} in the meantime.")
        return Kept(kept)

    async def bring(self, data: bytes, name: str | None, unit: str | None) -> About:
        """Keep a profile that was taken elsewhere. InvalidRequest when it is none."""
        facts, packed = await self._apart.run(
            "profile-bring",
            partial(_take, data, unit),
            undone=f"The profile, {len(data):,} bytes, was not read",
            instead="send a smaller one: fewer seconds, a lower frequency, or without its rarest stacks",
        )
        about = About(
            id=new_id(time.time()),
            name=name,
            kind=_BROUGHT.get(facts.unit, "cpu"),
            unit=facts.unit,
            engine="elsewhere",
            mode=facts.mode or "unknown",
            when=round(time.time(), 3),
            seconds=facts.seconds or 0.0,
            samples=facts.samples,
            errors=facts.invalid,
            rate_asked=None,
            rate=facts.rate,
            pause_share=None,
            notes=("This profile was taken elsewhere and brought here.", *_left_out(facts)),
            node_id=self._node_id,
            nodes=(),
            version=self._version,
            labels=tuple(facts.labels),
        )
        kept = await asyncio.to_thread(self._shelf.add, about, packed)
        if kept.name != name:
            raise Conflict(
                f"Another profile took the name {name} in the meantime; this one is kept as {kept.id}."
            )
        return kept

    async def all(self) -> list[Entry]:
        """The newest first."""
        return await asyncio.to_thread(self._shelf.all)

    async def packed(self, key: str) -> tuple[About, bytes]:
        """A kept profile as gzipped pprof."""
        return await asyncio.to_thread(self._shelf.get, key)

    async def capture(self, key: str, *, by_request: bool = False) -> tuple[About, Capture]:
        """A kept profile as it was taken; with ``by_request``, under a frame for each request served.

        InvalidRequest for that where its samples do not say so.
        """
        about, data = await self.packed(key)
        if by_request and LABEL not in about.labels:
            raise InvalidRequest(
                f"The samples of {key} do not say which request was served; take one with by=request."
            )
        try:
            folded = await self._unpacked(data, LABEL if by_request else "")
        except ProfilerTooSlow:
            raise
        except ProfilerError as error:
            raise self._shelf.damaged(about.id, str(error)) from None
        return about, about.capture(folded)

    async def rename(self, key: str, name: str) -> About:
        """Give it a name."""
        return await asyncio.to_thread(self._shelf.rename, key, name)

    async def remove(self, key: str) -> str:
        """Forget it; its id."""
        return await asyncio.to_thread(self._shelf.remove, key)

    async def _packed(self, about: About, capture: Capture) -> bytes:
        folded, metadata = capture.labelled or capture.folded, capture.metadata()
        if about.labels:
            metadata["labels"] = ",".join(about.labels)
        if len(folded) <= repack.IN_PROCESS_BYTES:
            return await asyncio.to_thread(repack.packed, folded, about.unit, metadata)
        argument = json.dumps({"unit": about.unit, "metadata": metadata})
        return await self._apart.run(
            "profile-pack",
            partial(_child, folded, "pack", argument),
            undone=f"The profile, {len(folded):,} bytes of stacks, was not packed",
            instead="take a shorter one",
            patient=True,
        )

    async def _unpacked(self, data: bytes, label: str) -> bytes:
        if len(data) <= repack.IN_PROCESS_PACKED:
            return await asyncio.to_thread(_unpacked_here, data, label)
        return await self._apart.run(
            "profile-unpack",
            partial(_child, data, "unpack", label),
            undone=f"The kept profile, {len(data):,} bytes of pprof, was not read",
            instead="fetch it with format=pprof, as which it is kept, and draw that with `flamegraph render`",
        )


def _unpacked_here(data: bytes, label: str) -> bytes:
    from flamegraph.errors import FlamegraphError

    try:
        return repack.unpacked(data, label)
    except FlamegraphError as error:
        raise ProfilerError(str(error)) from None


def _take(data: bytes, unit: str | None, stop: threading.Event) -> tuple[repack.Facts, bytes]:
    try:
        answer = _child(data, "take", unit or "", stop)
    except ProfilerError as error:
        raise InvalidRequest(str(error)) from None
    head, _, packed = answer.partition(b"\n")
    return repack.Facts(**json.loads(head)), packed


def _left_out(facts: repack.Facts) -> tuple[str, ...]:
    """A sentence about the lines that were no stacks, if there were any."""
    if not facts.invalid:
        return ()
    first = f"{'line' if facts.invalid == 1 else 'lines'} {facts.invalid_numbers}"
    more = ", ..." if facts.invalid > facts.invalid_numbers.count(",") + 1 else ""
    return (
        f"{facts.invalid:,} of {facts.lines:,} lines were left out, as they are no stack and count: "
        f"{first}{more}.",
    )


def _child(data: bytes, what: str, argument: str, stop: threading.Event) -> bytes:
    with filled_scratch(data) as source:
        return run_module(_MODULE, [what, argument], stop, source=source)


def _since(before: Load, now: Load) -> Load:
    def less(later: float | None, earlier: float | None) -> float | None:
        return None if later is None or earlier is None else later - earlier

    requests, cpu = less(now.requests, before.requests), less(now.cpu_seconds, before.cpu_seconds)
    return Load(
        requests=None if requests is None else int(requests),
        requests_before=None if before.requests_before is None else round(before.requests_before, 1),
        loop_lag_seconds=None if now.loop_lag_seconds is None else round(now.loop_lag_seconds, 4),
        cpu_seconds=None if cpu is None else round(cpu, 4),
    )
