"""What a node does right now: its hottest stacks and requests, its threads and tasks; and any hour before."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import Request, Response

from diag.admin import queries
from diag.admin.dashboard import words
from diag.admin.dashboard.asking import Asking, parsed
from diag.admin.dashboard.shell import Shell
from diag.admin.slow import SlowRow, SlowTold
from diag.doctor.finding import Report
from diag.profilers.requests import CPU_BY

#: Intervals of always-on profiling that are a click away.
INTERVALS: Final = (
    ("The last 15 minutes", {"from": "-15m"}),
    ("The last hour", {"from": "-1h"}),
    ("The last day", {"from": "-1d"}),
    ("The last hour, compared to the one before", {"from": "-1h", "diff_from": "-2h", "diff_to": "-1h"}),
    ("The last hour, compared to yesterday's", {"from": "-1h", "diff_from": "-25h", "diff_to": "-24h"}),
)
_RANGE: Final = "/debug/profiles/range"
_RANGE_NAMES: Final = ("from", "to", "diff_from", "diff_to", "by")


class Looks:
    """Nothing is looked at before it is asked for."""

    def __init__(self, shell: Shell, asking: Asking) -> None:
        self._shell = shell
        self._asking = asking

    async def hot(self, request: Request) -> Response:
        """``interval`` begins a look, and the page comes when it is over."""
        params = queries.only(request, ["interval", "node"])
        seen = None
        if params.get("interval"):
            seen = (await self._asking.evidence(request, "/debug/hot", params)).decode("utf-8", "replace")
        values = {"seen": seen, "interval": params.get("interval", "500ms"), "node": params.get("node", "")}
        return await self._shell.page(request, "hot.html", values)

    async def doctor(self, request: Request) -> Response:
        """What is wrong with the cluster, in words; the page does not wait for the nodes and their disks."""
        queries.only(request, [])

        async def findings() -> tuple[str, Mapping[str, Any]]:
            told = await self._asking.json(request, "/debug/doctor", {"format": "json"})
            report = Report.model_validate({name: told[name] for name in Report.model_fields})
            return "findings.html", {"report": report, "summary": report.summary()}

        return await self._shell.gradual(request, "doctor.html", findings)

    async def slow(self, request: Request) -> Response:
        """Requests of all nodes that took long, those in which ``q`` is found, and in which stage."""
        wanted = queries.only(request, ["q"]).get("q", "")
        content = await self._asking.content(request, "/debug/slow", {"format": "json", "node": "all"})
        told = SlowTold.model_validate_json(content)
        found = [one for one in told.requests if wanted.lower() in _words_of(one)]
        values = {
            "told": told,
            "requests": found,
            "stages": list(dict.fromkeys(stage for one in found for stage in one.stages)),
            "q": wanted,
            "ms": lambda milliseconds: words.duration(milliseconds / 1000),
        }
        return await self._shell.page(request, "slow.html", values)

    async def threads(self, request: Request) -> Response:
        """Of this node, or of ``node``; ``q`` leaves those in which it is found."""
        params = queries.only(request, ["node", "q"])
        wanted = params.pop("q", "")
        path = "/debug/pprof/threads"
        dump = parsed(await self._asking.evidence(request, path, {**params, "format": "json"}))
        values = {
            "threads": [one for one in dump["threads"] if _holds(one, wanted)],
            "tasks": [one for one in dump["tasks"] if _holds(one, wanted)],
            "dump": dump,
            "q": wanted,
            "node": params.get("node", ""),
        }
        return await self._shell.page(request, "threads.html", values)

    async def ranges(self, request: Request) -> Response:
        """The windows of always-on profiling ``from`` one moment ``to`` another, drawn or compared."""
        params = queries.only(request, [*_RANGE_NAMES, "node"])
        asked = {name: value for name, value in params.items() if value}
        node = asked.get("node", "")
        values: dict[str, Any] = {"asked": asked, "intervals": _intervals(node), "by": CPU_BY, "node": node}
        if "from" in asked:
            interval = {name: value for name, value in asked.items() if name in ("from", "to", "node")}
            told = await self._asking.json(request, _RANGE, {**interval, "format": "json"})
            values |= {"told": told, "picture": f"{_RANGE}?{urlencode({**asked, 'format': 'svg'})}"}
        return await self._shell.page(request, "ranges.html", values)


def _words_of(one: SlowRow) -> str:
    return f"{one.at} {one.method} {one.key} {one.error} {one.request_id} node {one.node}".lower()


def _holds(one: Mapping[str, Any], wanted: str) -> bool:
    frames = " ".join(f"{frame['function']} {frame['file']}" for frame in one["frames"])
    return wanted.lower() in f"{one['name']} {one.get('state', '')} {frames}".lower()


def _intervals(node: str) -> list[tuple[str, str]]:
    about = {"node": node} if node else {}
    return [(says, f"/ui/ranges?{urlencode(interval | about)}") for says, interval in INTERVALS]
