"""``/debug/home`` and ``/debug/pprof/``: everything there is, as links, with the node's state above them."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from diag.admin import queries
from diag.admin.methods import READ
from diag.profilers.lock import ProfileLock
from diag.profilers.windows import Windows
from diag.replication import OrderedLog

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
    "td{padding:.15em 1.5em .15em 0;vertical-align:top}code{font-size:.95em}"
    "@media(prefers-color-scheme:dark){body{background:#161616;color:#ddd}a{color:#8ab4f8}}"
)


class _Link(NamedTuple):
    path: str
    says: str


_PROFILES = (
    _Link("/debug/pprof/profile?seconds=5&frequency=99", "CPU flame graph of 5 seconds"),
    _Link("/debug/pprof/profile?seconds=5&mode=wall", "the same with waiting time"),
    _Link("/debug/pprof/profile?seconds=5&native=true", "the same with frames of C code"),
    _Link("/debug/pprof/heap?seconds=10&mode=peak", "memory held at the peak of 10 seconds"),
    _Link("/debug/pprof/heap?seconds=10&mode=leaks", "memory taken in 10 seconds and still held"),
    _Link("/debug/pprof/trace?seconds=5", "every call of the serving thread, by cProfile"),
    _Link("/debug/pprof/trace?seconds=5&renderer=flameprof", "the same as flameprof draws it"),
    _Link("/debug/pprof/threads", "stacks of all threads and tasks, now"),
    _Link("/debug/hot?interval=500ms", "as text: the hottest stacks, and the requests being served"),
    _Link("/debug/pprof/profile?seconds=5&by=request", "CPU by request, as the node itself sees it"),
    _Link("/debug/pprof/operation?name=snapshot&kind=heap", "memory of one snapshot; also import, export"),
    _Link("/debug/profiles", "every profile that was taken and is kept"),
    _Link("/debug/pprof/profile?seconds=5&node=all", "CPU flame graph of all nodes at the same time"),
    _Link("/debug/pprof/profile?seconds=5&node=all&format=zip", "each node's own, in an archive"),
)
_ALWAYS = (
    _Link("/debug/profiles/range?from=-15m", "CPU flame graph of the last 15 minutes"),
    _Link("/debug/profiles/range?from=-1d", "the same of a day"),
    _Link("/debug/profiles/range?from=-15m&by=request", "the same by request"),
)
_STATE = (
    _Link("/v1/cluster/status", "status of this node"),
    _Link("/v1/cluster/status?node=all", "status of all nodes"),
    _Link("/v1/cluster/nodes", "nodes of the cluster"),
    _Link("/v1/metrics", "metrics"),
    _Link("/v1/metrics?node=all", "metrics of all nodes on one page"),
    _Link("/v1/config", "effective configuration, secrets hidden"),
    _Link("/v1/features/list", "features"),
    _Link("/v1/health", "health, always open"),
    _Link("/livez", "is the process alive"),
    _Link("/readyz?verbose", "is the node ready, check by check"),
    _Link("/debug/doctor", "what is wrong with the cluster, and what to do next"),
)
_ACTIONS = (
    _Link("/v1/ctrl/trigger_snapshot", "write a snapshot; answers at once"),
    _Link("/v1/ctrl/trigger_snapshot?wait=60", "write a snapshot; answers when every node has one"),
)
_PARAMETERS = (
    "seconds=0.1..300; CPU: frequency=1..1000, mode=cpu|gil|wall, engine=auto|py-spy|inprocess, "
    "native=true|false, by=stack|request; "
    "heap: mode=peak|leaks|temporary|allocations; trace: renderer=flamegraph|flameprof; "
    "all: format=svg|html|folded|pprof|speedscope|zip, name=NAME, node=ID|all"
)


def router(log: OrderedLog, lock: ProfileLock, windows: Windows) -> APIRouter:
    """``lock`` is only looked at, to say who holds it, and ``windows`` to say whether there are any."""
    routes = APIRouter()

    @routes.api_route("/debug/home", methods=READ)
    @routes.api_route("/debug/pprof/", methods=READ)
    @routes.api_route("/debug/pprof", methods=READ)
    async def home(request: Request) -> HTMLResponse:
        queries.only(request, [])
        headers = {"Cache-Control": "no-store", "Content-Security-Policy": _POLICY}
        return HTMLResponse(_page(log, lock, windows), headers=headers)

    return routes


def _page(log: OrderedLog, lock: ProfileLock, windows: Windows) -> str:
    status = log.status()
    holder = lock.holder()
    title = escape(f"Meta node {status.node.name}")
    state = (
        f"{status.state} in term {status.term}, applied {status.last_applied.index}, "
        f"last seq {status.last_seq}, {status.key_count} keys, {status.db_size} bytes."
    )
    links = (*_PROFILES, *_ALWAYS) if windows.all() else _PROFILES
    running = f"{holder.name}, {holder.remaining:.0f} s to go" if holder else "none"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><h1>{title}</h1>"
        f"<p>{escape(state)} Running profile: {escape(running)}.</p>"
        f"<h2>Profiles</h2>{_table(links)}<p><code>{escape(_PARAMETERS)}</code></p>"
        f"<h2>State</h2>{_table(_STATE)}<h2>Actions</h2>{_table(_ACTIONS)}</body></html>\n"
    )


def _table(links: Sequence[_Link]) -> str:
    rows = "".join(
        f'<tr><td><a href="{escape(link.path)}">{escape(link.path)}</a></td><td>{escape(link.says)}</td></tr>'
        for link in links
    )
    return f"<table>{rows}</table>"
