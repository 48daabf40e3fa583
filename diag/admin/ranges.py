"""``/debug/profiles/range``: always-on profiling's windows of an interval in one picture, or two compared."""

import json
import time
from dataclasses import replace
from functools import partial
from typing import Any, Final, NamedTuple

from fastapi import APIRouter, Request, Response

from diag.admin import answers, queries
from diag.admin.draw import Renderer
from diag.admin.drawing import Caption
from diag.admin.elsewhere import DRAWN_SECONDS
from diag.admin.kept_views import json_response
from diag.admin.methods import READ
from diag.admin.moments import length_of, moment_of
from diag.admin.presence import CLIENT_GONE, while_present
from diag.admin.relay import PARAMETERS, Relay, plain
from diag.errors import InvalidRequest, NotFound
from diag.profilers.about import About, moment
from diag.profilers.apart import Apart
from diag.profilers.capture import Capture
from diag.profilers.coverage import Coverage, covered
from diag.profilers.merge import Job, merge_files
from diag.profilers.requests import CPU_BY
from diag.profilers.windows import Window, Windows

_DEFAULT_FROM: Final = "-15m"
_NAMES: Final = ("from", "to", "diff_from", "diff_to", "format", "by", "kind")


def router(windows: Windows, relay: Relay, renderer: Renderer, apart: Apart) -> APIRouter:
    """What only reads. Its path must be known before ``/debug/profiles/{key}``."""
    ranges = _Ranges(windows, relay, renderer, apart)
    routes = APIRouter()
    routes.add_api_route("/debug/profiles/range", ranges.get, methods=READ, response_model=None)
    return routes


class _Interval(NamedTuple):
    start: float
    end: float


class _Ranges:
    def __init__(self, windows: Windows, relay: Relay, renderer: Renderer, apart: Apart) -> None:
        self._windows = windows
        self._relay = relay
        self._renderer = renderer
        self._apart = apart

    async def get(self, request: Request) -> Response:
        params = queries.only(request, [*_NAMES, *PARAMETERS])
        interval, base = _intervals(params, time.time())
        _require_cpu(params.get("kind", "cpu"))
        by = queries.one_of("by", params.get("by", CPU_BY[0]), CPU_BY)
        form = _form_of(request, params.get("format"), base is not None)
        target = self._relay.one(request, params)
        if target is not None:
            return await self._relay.pass_on(request, target, DRAWN_SECONDS)
        work = self._one(interval, form, by) if base is None else self._two(base, interval, form, by)
        return await while_present(request, work) or Response(status_code=CLIENT_GONE)

    async def _one(self, interval: _Interval, form: str, by: str) -> Response:
        coverage = self._covered(interval, await self._windows.running())
        if form == "json":
            response: Response = json_response(_told(coverage))
        elif form == "pprof":
            coverage, capture = await self._merged(coverage, "label" if by == "stack" else by)
            response = await answers.answer(
                self._renderer, replace(capture, labelled=capture.folded), form, self._relay.own()
            )
        else:
            coverage, capture = await self._merged(coverage, by)
            own = self._relay.own()
            response = await (
                answers.archived(self._renderer, capture, {own: capture})
                if form == "zip"
                else answers.answer(self._renderer, capture, form, own)
            )
        response.headers.update(_headers("X-Range", coverage))
        return response

    async def _two(self, base: _Interval, new: _Interval, form: str, by: str) -> Response:
        running = await self._windows.running()
        before, after = self._covered(base, running), self._covered(new, running)
        mixed = before.rates() != after.rates()
        before, first = await self._merged(before, by, mixed)
        after, second = await self._merged(after, by, mixed)
        unit = first.unit
        caption = Caption(
            f"{_span(new)} compared to {_span(base)}",
            f"always-on profiling, {unit}; red grew, blue shrank",
            (f"Base: {' '.join(first.notes)}", f"New: {' '.join(second.notes)}"),
            unit,
            rests_on=(second.samples, first.samples),
        )
        body = await self._renderer.draw(second.folded, caption, form, first.folded)
        if form == "json":
            response: Response = json_response(
                {"base": _told(before), "new": _told(after)} | json.loads(body)
            )
        else:
            called = f"cpu-{_compact(base.start)}-to-{_compact(new.start)}-node{self._relay.own()}"
            response = answers.served(form, body, answers.filename(called, form))
        response.headers.update(_headers("X-Range", after) | _headers("X-Base-Range", before))
        return response

    def _covered(self, interval: _Interval, running: tuple[About, bytes] | None) -> Coverage:
        """Raises NotFound where no window is in the interval."""
        windows = self._windows.all()
        if running is not None:
            windows.append(Window(running[0].id, 0, running[0], 0.0))
        coverage = replace(covered(windows, *interval, time.time()), running=running)
        if coverage.windows:
            return coverage
        known = [window.about for window in windows if window.about is not None]
        if not known:
            raise NotFound(
                "There are no windows of always-on profiling: it is off ([profiling] continuous), or the "
                "first one is not over yet."
            )
        first, last = min(known, key=lambda about: about.when), max(known, key=lambda about: about.when)
        raise NotFound(
            f"No window of always-on profiling is in {_span(interval)}; those there are begin "
            f"{moment(first.when)} and end {moment(last.when + last.seconds)}."
        )

    async def _merged(self, coverage: Coverage, by: str, as_time: bool = False) -> tuple[Coverage, Capture]:
        """The windows as one, and what they cover once those that cannot be read are left out."""
        coverage = replace(coverage, as_time=as_time or coverage.as_time)
        scales = {about.id: coverage.scale(about) for about in coverage.windows}
        folded, scale = b"", 1.0
        if coverage.running is not None and coverage.running[0].id in scales:
            folded, scale = coverage.running[1], scales.pop(coverage.running[0].id)
        job = Job({str(self._windows.path(id_)): scale for id_, scale in scales.items()}, by, scale)
        merged = await self._apart.run(
            "profile-merge",
            partial(merge_files, job, running=folded),
            undone=f"The {len(coverage.windows)} windows of the interval were not added up",
            instead="ask for a shorter interval",
        )
        if len(merged.damaged) == len(coverage.windows):
            raise NotFound(f"All windows of the interval are damaged: {', '.join(merged.damaged)}.")
        coverage = coverage.without(merged.damaged)
        return coverage, coverage.capture(merged.folded, merged.samples)


def _require_cpu(kind: str) -> None:
    if kind != "cpu":
        raise InvalidRequest(
            f"kind is {kind[:80]!r}; always-on profiling samples the CPU, so it must be cpu. What is held in "
            "memory is told by /debug/pprof/memory, with [profiling] memory_from_start = true."
        )


def _intervals(params: dict[str, str], now: float) -> tuple[_Interval, _Interval | None]:
    start = moment_of("from", params.get("from", _DEFAULT_FROM), now)
    end = moment_of("to", params.get("to", "now"), now)
    seconds = length_of(start, end, ("from", "to"))
    if "diff_from" not in params:
        if "diff_to" in params:
            raise InvalidRequest("diff_to goes with diff_from, which says where what is compared to begins.")
        return _Interval(start, end), None
    base = moment_of("diff_from", params["diff_from"], now)
    base_end = moment_of("diff_to", params["diff_to"], now) if "diff_to" in params else base + seconds
    length_of(base, base_end, ("diff_from", "diff_to"))
    return _Interval(start, end), _Interval(base, base_end)


def _form_of(request: Request, asked: str | None, compared: bool) -> str:
    if compared:
        return answers.compared_form(request, asked)
    return answers.form_or_account(request, asked)


def _told(coverage: Coverage) -> dict[str, Any]:
    windows = [_window(about) for about in coverage.windows]
    gaps = [{"from": moment(gap.start), "to": moment(gap.end), "why": gap.why} for gap in coverage.gaps]
    return {
        "from": moment(coverage.start),
        "to": moment(coverage.end),
        "seconds": round(coverage.seconds, 3),
        "samples": sum(about.samples for about in coverage.windows),
        "windows": windows,
        "gaps": gaps,
        "damaged": list(coverage.damaged),
    }


def _window(about: About) -> dict[str, Any]:
    named = about.as_dict()
    kept = (
        "id",
        "engine",
        "mode",
        "seconds",
        "samples",
        "errors",
        "rate_asked",
        "rate",
        "version",
        "load",
        "notes",
    )
    return {"when": moment(about.when)} | {name: named[name] for name in kept}


def _headers(prefix: str, coverage: Coverage) -> dict[str, str]:
    first, last = coverage.windows[0], coverage.windows[-1]
    gaps = ", ".join(f"{moment(gap.start)}/{moment(gap.end)}" for gap in coverage.gaps)
    told = {
        "From": moment(first.when),
        "To": moment(last.when + last.seconds),
        "Windows": str(len(coverage.windows)),
        "Seconds": f"{coverage.seconds:.3f}",
        "Gaps": plain(gaps),
        "Damaged": plain(", ".join(coverage.damaged)),
    }
    return {f"{prefix}-{name}": value for name, value in told.items() if value}


def _span(interval: _Interval) -> str:
    return f"{moment(interval.start)} to {moment(interval.end)}"


def _compact(when: float) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(when))
