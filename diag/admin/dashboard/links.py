"""``/debug/home`` and ``/debug/pprof/``: the routes worth a look, as links."""

from typing import Final, NamedTuple


class Link(NamedTuple):
    path: str
    says: str


PROFILES: Final = (
    Link("/debug/pprof/profile?seconds=5&frequency=99", "CPU flame graph of 5 seconds"),
    Link("/debug/pprof/profile?seconds=5&mode=wall", "the same with waiting time"),
    Link("/debug/pprof/profile?seconds=5&native=true", "the same with frames of C code"),
    Link("/debug/pprof/heap?seconds=10&mode=peak", "memory held at the peak of 10 seconds"),
    Link("/debug/pprof/heap?seconds=10&mode=leaks", "memory taken in 10 seconds and still held"),
    Link("/debug/pprof/trace?seconds=5", "every call of the serving thread, by cProfile"),
    Link("/debug/pprof/trace?seconds=5&renderer=flameprof", "the same as flameprof draws it"),
    Link("/debug/pprof/threads", "stacks of all threads and tasks, now"),
    Link("/debug/slow?node=all", "calls of clients that took long, and in which stage"),
    Link("/debug/hot?interval=500ms", "as text: the hottest stacks, and the requests being served"),
    Link("/debug/pprof/profile?seconds=5&by=request", "CPU by request, as the node itself sees it"),
    Link("/debug/pprof/operation?name=snapshot&kind=heap", "memory of one snapshot; also import, export"),
    Link("/debug/profiles", "every profile that was taken and is kept"),
    Link("/debug/pprof/profile?seconds=5&node=all", "CPU flame graph of all nodes at the same time"),
    Link("/debug/pprof/profile?seconds=5&node=all&format=zip", "each node's own, in an archive"),
)
ALWAYS: Final = (
    Link("/debug/profiles/range?from=-15m", "CPU flame graph of the last 15 minutes"),
    Link("/debug/profiles/range?from=-1d", "the same of a day"),
    Link("/debug/profiles/range?from=-15m&by=request", "the same by request"),
)
STATE: Final = (
    Link("/v1/cluster/status", "status of this node"),
    Link("/debug/vitals", "the same with the figures of the last ten seconds"),
    Link("/debug/history", "those figures of the last hour"),
    Link("/v1/cluster/status?node=all", "status of all nodes"),
    Link("/v1/cluster/nodes", "nodes of the cluster"),
    Link("/v1/metrics", "metrics"),
    Link("/v1/metrics?node=all", "metrics of all nodes on one page"),
    Link("/v1/config", "effective configuration, secrets hidden"),
    Link("/v1/features/list", "features"),
    Link("/openapi.json", "every route, what it takes, and which role it needs"),
    Link("/v1/health", "health, always open"),
    Link("/livez", "is the process alive"),
    Link("/readyz?verbose", "is the node ready, check by check"),
)
ACTIONS: Final = (
    Link("/v1/ctrl/trigger_snapshot", "write a snapshot; answers at once"),
    Link("/v1/ctrl/trigger_snapshot?wait=60", "write a snapshot; answers when every node has one"),
)
PARAMETERS: Final = (
    "seconds=0.1..300; CPU: frequency=1..1000, mode=cpu|gil|wall, engine=auto|py-spy|inprocess, "
    "native=true|false, by=stack|request; "
    "heap: mode=peak|leaks|temporary|allocations; trace: renderer=flamegraph|flameprof; "
    "all: format=svg|html|folded|pprof|speedscope|zip, name=NAME, node=ID|all"
)
