"""Profiles: to take one, to look through those that are kept, to see one, and to compare two."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

from fastapi import Request, Response

from diag.admin import queries
from diag.admin.answers import FORMS
from diag.admin.dashboard import words
from diag.admin.dashboard.asking import Asking
from diag.admin.dashboard.shell import Shell
from diag.admin.elsewhere import parted
from diag.errors import InvalidRequest, NotInTime, Unavailable
from diag.profilers.about import checked_key
from diag.profilers.requests import FREQUENCY, HEAP_MODES, SECONDS

#: What a profile may be of: the word in the address, what people call it, and what it says.
KINDS: Final = (
    ("cpu", "CPU", "where processor time goes"),
    ("wall", "Wall clock", "where time goes, waiting included"),
    ("heap", "Memory", "what is taken and by whom"),
    ("trace", "Call trace", "every call of the serving thread"),
)
_LISTED: Final = "/debug/profiles"
_MOST_QUERY: Final = 200
_RECENT: Final = 5


class KeptPages:
    """Each reads the API's own account of the profiles."""

    def __init__(self, shell: Shell, asking: Asking) -> None:
        self._shell = shell
        self._asking = asking

    async def take(self, request: Request) -> Response:
        """The form; ``node`` and ``kind`` choose what it begins with."""
        params = queries.only(request, ["node", "kind"])
        profiles, silent = await self._all(request)
        values = {
            "kinds": KINDS,
            "heap_modes": HEAP_MODES,
            "kind": params.get("kind", KINDS[0][0]),
            "node": params.get("node", ""),
            "seconds": SECONDS,
            "frequency": FREQUENCY,
            "profiles": profiles[:_RECENT],
            "silent": silent,
        }
        return await self._shell.page(request, "take.html", values)

    async def listing(self, request: Request) -> Response:
        """All of all nodes, or those that ``q`` is found in."""
        params = queries.only(request, ["q", "kind"])
        wanted, kind = params.get("q", "")[:_MOST_QUERY], params.get("kind", "")
        profiles, silent = await self._all(request)
        found = [one for one in profiles if wanted.lower() in _words_of(one) and _is_of(one, kind)]
        values = {"profiles": found, "count": len(profiles), "q": wanted, "kind": kind, "silent": silent}
        return await self._shell.page(request, "kept.html", values | {"kinds": KINDS})

    async def one(self, request: Request) -> Response:
        """One profile: on its way, failed, or kept and drawn."""
        key = checked_key(request.path_params["key"])
        params = queries.only(request, ["node"])
        told = await self._told(request, key, params)
        node = params.get("node", "")
        at = f"{_LISTED}/{quote(key)}"
        values = {
            "profile": _row(told, node or str(told.get("node_id", ""))),
            "about": told,
            "at": f"{at}?{urlencode({'node': node})}" if node else at,
            "actions": at,
            "node": node,
            "forms": [(form, _address(at, node, form)) for form in FORMS],
            "picture": _address(at, node, "svg"),
        }
        return await self._shell.page(request, "profile.html", values)

    async def diff(self, request: Request) -> Response:
        """Two profiles, of any nodes, compared: the picture, and who grew in words."""
        params = queries.only(request, ["base", "new"])
        if not (params.get("base") and params.get("new")):
            raise InvalidRequest("Choose two profiles: base is what to compare to, new what to look at.")
        base, new = ("@".join(filter(None, parted(params[name]))) for name in ("base", "new"))
        at = f"{_LISTED}/{quote(base)}/diff/{quote(new)}"
        summary = await self._asking.content(request, at, {"format": "text"})
        values = {
            "base": base,
            "new": new,
            "summary": summary.decode("utf-8", "replace"),
            "picture": f"{at}?format=svg",
            "page": f"{at}?format=html",
            "swapped": f"/ui/diff?{urlencode({'base': new, 'new': base})}",
        }
        return await self._shell.page(request, "diff.html", values)

    async def _told(self, request: Request, key: str, params: Mapping[str, str]) -> Mapping[str, Any]:
        """The account; of a damaged one what the list says, so that it can be deleted."""
        try:
            told: dict[str, Any] = await self._asking.json(
                request, f"{_LISTED}/{key}", {**params, "format": "json"}
            )
        except NotInTime:
            raise  # who is silent has no list either
        except Unavailable:
            listed: list[dict[str, Any]] = await self._asking.json(request, _LISTED, params)
            for one in listed:
                if one["id"] == key and one["state"] == "damaged":
                    return one
            raise
        return told

    async def _all(self, request: Request) -> tuple[list[dict[str, Any]], list[str]]:
        """The newest first, and a sentence for each node that told of none."""
        nodes: list[dict[str, Any]] = await self._asking.json(request, _LISTED, {"node": "all"})
        rows = [_row(one, str(node["id"])) for node in nodes for one in node.get("profiles", [])]
        silent = [f"Node {node['name']}: {node['error']}" for node in nodes if "error" in node]
        return sorted(rows, key=lambda row: str(row["id"]), reverse=True), silent


def _row(one: Mapping[str, Any], node: str) -> dict[str, Any]:
    """A profile as a table has it; a damaged one tells little."""
    id_ = str(one["id"])
    address = f"/ui/profiles/{quote(id_)}"
    return {
        "id": id_,
        "name": one.get("name"),
        "called": one.get("name") or id_,
        "kind": one.get("kind", words.UNKNOWN),
        "mode": one.get("mode", ""),
        "of": _what(one),
        "when": _moment(one.get("when")),
        "seconds": words.duration(one.get("seconds")),
        "samples": words.whole(one.get("samples")),
        "size": words.size(one.get("bytes")),
        "state": one.get("state", words.UNKNOWN),
        "error": one.get("error"),
        "unit": one.get("unit", ""),
        "nodes": ", ".join(map(str, one.get("nodes", []))),
        "node": node,
        "key": "@".join(filter(None, (str(one.get("name") or id_), node))),
        "address": f"{address}?{urlencode({'node': node})}" if node else address,
    }


def _what(one: Mapping[str, Any]) -> str:
    kind, mode = str(one.get("kind", words.UNKNOWN)), str(one.get("mode", ""))
    return kind if mode in ("", kind) else f"{kind}, {mode}"


def _is_of(row: Mapping[str, Any], kind: str) -> bool:
    """The clock on the wall is a mode of the CPU's profiler, and a kind to people."""
    return kind in ("", row["mode"]) or (kind == row["kind"] and row["mode"] != KINDS[1][0])


def _words_of(row: Mapping[str, Any]) -> str:
    names: Sequence[str] = ("id", "called", "kind", "mode", "state", "when")
    return " ".join(str(row[name]) for name in names).lower()


def _moment(when: object) -> str:
    try:
        return f"{datetime.fromisoformat(str(when)):%Y-%m-%d %H:%M:%S}"
    except ValueError:
        return words.UNKNOWN


def _address(at: str, node: str, form: str) -> str:
    return f"{at}?{urlencode({'format': form, **({'node': node} if node else {})})}"
