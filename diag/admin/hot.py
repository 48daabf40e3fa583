"""``/debug/hot``: within a second, as text, what the node is busy with: requests, and the hottest stacks."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from diag.admin import queries
from diag.admin.presence import CLIENT_GONE, while_present
from diag.admin.relay import PARAMETERS, Relay
from diag.admin.several import MARGIN
from diag.admin.taking import client_of
from diag.errors import InvalidRequest
from diag.profilers.capture import Capture
from diag.profilers.hub import Profilers
from diag.profilers.labels import FRAME, NONE

_INTERVAL = re.compile(r"([0-9]+(?:[.][0-9]+)?)(ms|s)", re.ASCII)
_UNITS: Final = {"ms": 0.001, "s": 1.0}
_LEAST, _MOST = 0.1, 10.0
# As many as the kernel's tick gives.
_FREQUENCY = 250
_STACKS = 5
_FRAMES = 12
_OWN = "GET /debug/hot"


def router(profilers: Profilers, relay: Relay) -> APIRouter:
    """One route, by the in-process sampler: it starts at once and knows what is served."""
    routes = APIRouter()

    @routes.get("/debug/hot")
    async def hot(request: Request) -> Response:
        params = queries.only(request, ["interval", *PARAMETERS])
        target = relay.one(request, params)
        seconds = _seconds(params.get("interval", "500ms"))
        if target is not None:
            return await relay.pass_on(request, target, seconds + MARGIN)
        work = profilers.hot(seconds, _FREQUENCY, f"look at what is hot for {client_of(request)}")
        seen = await while_present(request, work)
        if seen is None:
            return Response(status_code=CLIENT_GONE)
        capture, in_flight = seen
        in_flight -= Counter({_OWN: 1})
        text = "\n".join(_lines(relay.own(), capture, in_flight)) + "\n"
        return PlainTextResponse(text, headers={"Cache-Control": "no-store"})

    return routes


def _seconds(text: str) -> float:
    found = _INTERVAL.fullmatch(text)
    seconds = float(found[1]) * _UNITS[found[2]] if found else -1.0
    if not _LEAST <= seconds <= _MOST:
        raise InvalidRequest(f"interval is {text!r}; it must be from 100ms to 10s, such as 500ms or 2s.")
    return seconds


def _lines(node_id: int, capture: Capture, in_flight: Counter[str]) -> Iterator[str]:
    stacks = _weights(capture.folded)
    total = sum(stacks.values())
    rate = capture.rate_effective or 1.0
    busy = total / rate / capture.seconds if capture.seconds else 0.0
    yield (
        f"Node {node_id}: {100 * busy:.0f} % of a core over {capture.seconds:.2f} s, {total} samples, "
        f"{in_flight.total()} requests in flight."
    )
    yield from (note for note in capture.notes)
    yield from _requests(stacks, total, in_flight)
    yield from _hottest(stacks, total)


def _requests(stacks: Counter[str], total: int, in_flight: Counter[str]) -> Iterator[str]:
    served: Counter[str] = Counter()
    for stack, count in stacks.items():
        served[_request(stack)] += count
    names = sorted({*served, *in_flight}, key=lambda name: (-served[name], -in_flight[name], name))
    if not names:
        return
    yield ""
    yield "Requests: share of the samples, in flight now"
    for name in names:
        yield f"  {_share(served[name], total)}  {in_flight[name]:4}  {name}"


def _hottest(stacks: Counter[str], total: int) -> Iterator[str]:
    for stack, count in stacks.most_common(_STACKS):
        root, *frames = stack.split(";")
        yield ""
        yield f"{_share(count, total)} of the samples, {root.removeprefix(FRAME)}:"
        frames.reverse()
        yield from (f"    {frame}" for frame in frames[:_FRAMES])
        if len(frames) > _FRAMES:
            yield f"    called from {len(frames) - _FRAMES} more"
    if not stacks:
        yield "Next to no CPU was used; /debug/pprof/threads shows what is waited for."


def _request(stack: str) -> str:
    root = stack.partition(";")[0]
    return root.removeprefix(FRAME) if root.startswith(FRAME) else NONE


def _weights(folded: bytes) -> Counter[str]:
    weights: Counter[str] = Counter()
    for line in folded.decode().splitlines():
        stack, _, count = line.rpartition(" ")
        weights[stack] += int(count)
    return weights


def _share(count: int, total: int) -> str:
    return f"{100 * count / total if total else 0.0:5.1f} %"
