"""``/openapi.json``: the admin API in the form that clients, generators and fuzzers read.

The routes and their roles are those of ``rules``, but for the pages; here stands what each takes, by the
constants of the code that reads it.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from diag.admin import queries
from diag.admin.answers import COMPARED, FORMS
from diag.admin.control import MAX_WAIT
from diag.admin.kept_changes import MOST_BROUGHT
from diag.admin.log_tail import MOST_LINES
from diag.admin.methods import READ
from diag.admin.operations import OPERATIONS
from diag.admin.relay import PARAMETERS
from diag.admin.rules import RULES, Rule
from diag.admin.taking import REQUESTS
from diag.kv.apply import KNOWN_FEATURES
from diag.profilers.lifelong import MODES
from diag.profilers.requests import (
    CPU_BY,
    CPU_ENGINES,
    CPU_MODES,
    FREQUENCY,
    HEAP_MODES,
    SECONDS,
    TRACE_RENDERERS,
)

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": "string"}
_FLAG: Final[Schema] = {"type": "string", "enum": ["true", "false"]}
_ID: Final[Schema] = {"type": "integer", "minimum": 0, "maximum": 2**64 - 1}
_NAME: Final[Schema] = {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9._-]{0,63}$"}
_MOMENT: Final[Schema] = {"type": "string", "examples": ["-15m", "now", "2027-01-15T08:00:00Z"]}
_SECONDS: Final[Schema] = {"type": "number", "minimum": SECONDS[0], "maximum": SECONDS[1]}
_SPAN: Final[Schema] = {"type": "number", "minimum": 1, "maximum": 600}


def _one_of(*choices: str) -> Schema:
    return {"type": "string", "enum": list(choices)}


_NODE: Final[Mapping[str, Schema]] = {
    name: {"type": "string", "examples": ["1", "all"]} for name in PARAMETERS
}
_OUT: Final = {"format": _one_of(*FORMS), "name": _NAME, **_NODE}
_CPU: Final = {
    "seconds": _SECONDS,
    "frequency": {"type": "integer", "minimum": FREQUENCY[0], "maximum": FREQUENCY[1]},
    "mode": _one_of(*CPU_MODES),
    "engine": _one_of(*CPU_ENGINES),
    "native": _FLAG,
    "by": _one_of(*CPU_BY),
}
_HEAP: Final = {"seconds": _SECONDS, "mode": _one_of(*HEAP_MODES), "small_objects": _FLAG}
_TRACE: Final = {"seconds": _SECONDS, "renderer": _one_of(*TRACE_RENDERERS)}
_TOLD: Final = {"format": _one_of("text", "json"), **_NODE}

#: What each route takes in its query, by method and path; one that is not here takes nothing.
TAKEN: Final[Mapping[str, Mapping[str, Schema]]] = {
    "GET /readyz": {"verbose": _FLAG, "exclude": _TEXT},
    "GET /login": {"next": _TEXT},
    "GET /v1/cluster/nodes": _NODE,
    "GET /v1/cluster/status": _NODE,
    "GET /v1/metrics": _NODE,
    "GET /v1/ctrl/trigger_snapshot": {
        "wait": {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_WAIT},
    },
    "GET /v1/ctrl/trigger_transfer_leader": {"to": _ID, **_NODE},
    "POST /v1/ctrl/promote": {"id": _ID},
    "POST /v1/ctrl/leave": {"id": _ID},
    "GET /v1/features/set": {"feature": _one_of(*KNOWN_FEATURES), "enable": _FLAG},
    "GET /debug/vitals": _NODE,
    "GET /debug/history": _NODE,
    "GET /debug/doctor": _TOLD,
    "GET /debug/doctor/facts": _NODE,
    "GET /debug/slow": _TOLD,
    "GET /debug/hot": {"interval": {"type": "string", "examples": ["500ms", "2s"]}, **_NODE},
    "GET /debug/log": {
        "source": _one_of("node", "etcd"),
        "lines": {"type": "integer", "minimum": 1, "maximum": MOST_LINES},
        **_NODE,
    },
    "POST /debug/bundle": {
        "duration": _SPAN,
        "interval": _SPAN,
        "nodes": {"type": "string", "examples": ["all", "1"]},
        "profiles": _FLAG,
    },
    "GET /debug/pprof/threads": _TOLD,
    "GET /debug/pprof/profile": {**_CPU, **_OUT},
    "GET /debug/pprof/heap": {**_HEAP, **_OUT},
    "GET /debug/mem/pprof/profile": {**_HEAP, **_OUT},
    "GET /debug/pprof/trace": {**_TRACE, **_OUT},
    "GET /debug/pprof/memory": {"mode": _one_of(*MODES), **_OUT},
    "GET /debug/pprof/operation": {
        "name": _one_of(*OPERATIONS),
        "kind": _one_of("cpu", "heap"),
        "at_most": _SECONDS,
        "frequency": _CPU["frequency"],
        "mode": _one_of(*dict.fromkeys((*CPU_MODES, *HEAP_MODES))),
        "engine": _CPU["engine"],
        "native": _FLAG,
        "by": _CPU["by"],
        "small_objects": _FLAG,
        "format": _OUT["format"],
        **_NODE,
    },
    "GET /debug/profiles": {"kind": _one_of(*REQUESTS), "name": _NAME, **_NODE},
    "GET /debug/profiles/{key}": {"format": _one_of(*FORMS, "json"), "by": _CPU["by"], **_NODE},
    "GET /debug/profiles/{base}/diff/{new}": {"format": _one_of(*COMPARED), **_NODE},
    "GET /debug/profiles/range": {
        **dict.fromkeys(("from", "to", "diff_from", "diff_to"), _MOMENT),
        "format": _one_of(*dict.fromkeys((*FORMS, *COMPARED))),
        "by": _CPU["by"],
        "kind": _one_of("cpu"),
        **_NODE,
    },
    "POST /debug/profiles": {
        **_CPU,
        **_HEAP,
        **_TRACE,
        "mode": _one_of(*dict.fromkeys((*CPU_MODES, *HEAP_MODES))),
        "kind": _one_of(*REQUESTS),
        "name": _NAME,
        "unit": _TEXT,
        **_NODE,
    },
    "POST /debug/profiles/{key}": {"name": _NAME, **_NODE},
    "POST /debug/profiles/{key}/cancel": _NODE,
    "DELETE /debug/profiles/{key}": _NODE,
}

_BODIES: Final[Mapping[str, Schema]] = {
    "POST /debug/profiles": {
        "description": f"A profile that is brought, up to {MOST_BROUGHT >> 20} MiB; nothing with kind.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    },
    "POST /login": {
        "required": True,
        "content": {
            kind: {
                "schema": {
                    "type": "object",
                    "required": ["token"],
                    "properties": {"token": _TEXT, "next": _TEXT},
                }
            }
            for kind in ("application/json", "application/x-www-form-urlencoded")
        },
    },
}
_REFUSALS: Final = {
    "400": "A parameter is wrong; the text names it and its range.",
    "401": "A token is needed, or the one sent is none of this node's.",
    "403": "The caller's role is not enough.",
    "404": "There is no such thing, or this node does not lead.",
    "409": "Another profile runs, or the cluster is not in the state for it.",
    "429": "Too many wrong tokens came from there; Retry-After says when the next is looked at.",
    "503": "The node cannot serve this now; where it has no turn for it, Retry-After says when to ask again.",
    "504": "It was not done in the time for that; the text says what to ask for instead.",
}


def router(version: str) -> APIRouter:
    """The document of this version."""
    routes = APIRouter()

    @routes.api_route("/openapi.json", methods=READ)
    async def openapi(request: Request) -> JSONResponse:
        queries.only(request, [])
        return JSONResponse(document(version))

    return routes


def document(version: str) -> Schema:
    """OpenAPI 3.1."""
    paths: dict[str, Schema] = {}
    for rule in filter(is_api, RULES):
        paths.setdefault(rule.path, {})[rule.method.lower()] = _operation(rule)
    return {
        "openapi": "3.1.0",
        "info": {"title": "metadiag admin API", "version": version},
        "paths": paths,
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def is_api(rule: Rule) -> bool:
    """Whether a route is for programs: the pages of the dashboard are not."""
    return rule.path != "/" and not rule.path.startswith("/ui/")


def _operation(rule: Rule) -> Schema:
    route = f"{rule.method} {rule.path}"
    in_path = [_parameter(name, _TEXT, "path") for name in re.findall(r"\{(\w+)\}", rule.path)]
    in_query = [_parameter(name, schema, "query") for name, schema in TAKEN.get(route, {}).items()]
    operation: Schema = {
        "parameters": [*in_path, *in_query],
        "responses": {
            "default": {"description": "What the route is for, as JSON, text, a picture or a page."},
            **{status: {"description": text} for status, text in _REFUSALS.items()},
        },
        "security": [] if rule.role is None else [{"token": []}],
        "x-role": None if rule.role is None else rule.role.word,
    }
    return operation | ({"requestBody": _BODIES[route]} if route in _BODIES else {})


def _parameter(name: str, schema: Schema, place: str) -> Schema:
    return {"name": name, "in": place, "required": place == "path", "schema": schema}
