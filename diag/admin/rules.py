"""Which role each route needs: one table of all of them. A route that is not in it is closed to everybody.

A rule of GET is the rule of HEAD too. Where no tokens file is configured, what the contract has open to
everybody stays so, and all else is for this machine and whoever holds the one token.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from diag.admin.roles import Role


class Rule(NamedTuple):
    """``role`` None is open to everybody at any time. ``contract``: open where there is no tokens file.

    ``audited`` requests leave a line in the log: they change state, or take evidence.
    """

    method: str
    path: str
    role: Role | None
    contract: bool = False
    audited: bool = False


def _open(*routes: str) -> Iterator[Rule]:
    for method, path in map(str.split, routes):
        yield Rule(method, path, None)


def _contract(*routes: str) -> Iterator[Rule]:
    for method, path in map(str.split, routes):
        yield Rule(method, path, Role.READ, contract=True)


def _reads(*routes: str) -> Iterator[Rule]:
    for method, path in map(str.split, routes):
        yield Rule(method, path, Role.READ)


def _acts(role: Role, *routes: str) -> Iterator[Rule]:
    for method, path in map(str.split, routes):
        yield Rule(method, path, role, audited=True)


RULES: Final = (
    *_open(
        "GET /v1/health",
        "GET /livez",
        "GET /readyz",
        "GET /v1/whoami",
        "GET /login",
        "POST /login",
        "POST /logout",
        "GET /ui/assets/{name}",
    ),
    *_contract(
        "GET /v1/config",
        "GET /v1/cluster/nodes",
        "GET /v1/cluster/status",
        "GET /v1/metrics",
        "GET /v1/features/list",
    ),
    *_reads(
        "GET /",
        "GET /ui/charts",
        "GET /ui/profile",
        "GET /ui/profiles",
        "GET /ui/profiles/{key}",
        "GET /ui/diff",
        "GET /ui/ranges",
        "GET /ui/doctor",
        "GET /ui/hot",
        "GET /ui/threads",
        "GET /ui/slow",
        "GET /ui/events",
        "GET /debug/vitals",
        "GET /debug/history",
        "GET /openapi.json",
        "GET /debug/home",
        "GET /debug/pprof",
        "GET /debug/pprof/",
        "GET /debug/doctor",
        "GET /debug/doctor/facts",
        "GET /debug/bundle",
        "GET /debug/slow",
        "GET /debug/profiles",
        "GET /debug/profiles/{key}",
        "GET /debug/profiles/{base}/diff/{new}",
        "GET /debug/profiles/range",
    ),
    *_acts(
        Role.PROFILE,
        "GET /debug/pprof/profile",
        "GET /debug/pprof/heap",
        "GET /debug/mem/pprof/profile",
        "GET /debug/pprof/memory",
        "GET /debug/pprof/trace",
        "GET /debug/pprof/threads",
        "GET /debug/pprof/operation",
        "GET /debug/hot",
        "GET /debug/log",
        "POST /debug/bundle",
        "GET /debug/bundle/{id_}",
        "DELETE /debug/bundle/{id_}",
        "POST /debug/profiles",
        "POST /debug/profiles/{key}",
        "POST /debug/profiles/{key}/cancel",
    ),
    *_acts(
        Role.ADMIN,
        "DELETE /debug/profiles/{key}",
        "GET /v1/ctrl/trigger_snapshot",
        "GET /v1/ctrl/trigger_transfer_leader",
        "POST /v1/ctrl/promote",
        "POST /v1/ctrl/leave",
        "GET /v1/features/set",
    ),
)

_BY_ROUTE: Final = {(rule.method, rule.path): rule for rule in RULES}


def rule_of(method: str, path: str) -> Rule | None:
    """The rule of a route by its method and the path it was registered with."""
    return _BY_ROUTE.get(("GET" if method == "HEAD" else method, path))
