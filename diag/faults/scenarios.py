"""The faults that a cluster of three must stand, each as what it breaks and how that is mended.

A fault picks its nodes when it strikes and remembers them for its healing, so each ``scenarios()`` gives
faults for one run. What a machine or a cluster cannot do raises CannotHere, with the reason, and is skipped.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

from diag.errors import Unavailable
from diag.faults import processes
from diag.faults.clock import Clock
from diag.faults.cluster import Cluster, Membership
from diag.faults.disk import Disk
from diag.faults.network import Network
from diag.faults.scenario import CannotHere, Fault

_SLOW_KILOBITS = 256
_LOST_SHARE = 0.05
#: Seconds that writes may pause: hardly at all where the leader is well, an election's time where it is
#: gone, and more where nobody is told that it is, since deadlines pass first.
_PAUSE = 1.5
_PAUSE_OF_TRANSFER = 1.0
_PAUSE_OF_ELECTION = 3.0
_PAUSE_OF_SILENCE = 4.0
#: etcd writes into room it took before for a while.
_FULL_SECONDS = 6.0
_ELECTION_SECONDS = 10.0
_POLL_SECONDS = 0.05


def scenarios() -> Sequence[Fault]:
    """All faults that need nothing but the protocol of a cluster."""
    return [*_kills(), *_freezes(), *_links(), *_disks(), *_clocks(), _lost_answers(), *_members()]


def needs_moved(fault: Fault) -> bool:
    """Whether the fault needs clocks or proxies, which slow a cluster down: it gets one of its own."""
    return fault.name in {each.name for each in (*_clocks(), _lost_answers())}


def _kills() -> list[Fault]:
    return [
        _fault("kill -9 of the leader's etcd", lambda victims: _kill_etcd, pause=_PAUSE_OF_ELECTION),
        _fault(
            "kill -9 of the leader's meta process",
            lambda victims: _kill_meta(victims, _the_leader),
            pause=_PAUSE_OF_ELECTION,
        ),
        _fault("kill -9 of a meta process", lambda victims: _kill_node(victims, _a_follower)),
        _fault(
            "kill -9 of the leader's node",
            lambda victims: _kill_node(victims, _the_leader),
            pause=_PAUSE_OF_ELECTION,
        ),
        _fault("kill -9 of everything", _kill_everything, acks=False),
        _fault("no quorum", _kill_majority, acks=False),
        _fault("restart of every node in turn", lambda victims: _restart_in_turn, pause=_PAUSE_OF_ELECTION),
    ]


def _freezes() -> list[Fault]:
    return [
        _fault("freeze a meta process", lambda victims: _freeze(victims, _a_follower, "meta"), _thaw),
        _fault(
            "freeze the leader's meta process", lambda victims: _freeze(victims, _the_leader, "meta"), _thaw
        ),
        _fault("freeze a follower's etcd", lambda victims: _freeze(victims, _a_follower, "etcd"), _thaw),
        _fault(
            "freeze the leader's etcd",
            lambda victims: _freeze(victims, _the_leader, "etcd"),
            _thaw,
            pause=_PAUSE_OF_SILENCE,
        ),
        _fault(
            "freeze the leader's node",
            lambda victims: _freeze(victims, _the_leader, "both"),
            _thaw,
            pause=_PAUSE_OF_SILENCE,
        ),
    ]


def _links() -> list[Fault]:
    def isolate(choose: "Choice") -> "Breaking":
        return lambda cluster: _network(cluster).isolate(choose(cluster))

    def part(cluster: Cluster) -> None:
        _network(cluster).part(_the_leader(cluster), _a_follower(cluster))

    def to_leader(cluster: Cluster) -> None:
        _network(cluster).cut(_a_follower(cluster), _the_leader(cluster))

    def from_leader(cluster: Cluster) -> None:
        _network(cluster).cut(_the_leader(cluster), _a_follower(cluster))

    def slow(cluster: Cluster) -> None:
        _network(cluster).slow(_the_leader(cluster), _SLOW_KILOBITS)

    return [
        _fault("cut off a follower", lambda victims: isolate(_a_follower), _reconnect),
        _fault(
            "cut off the leader", lambda victims: isolate(_the_leader), _reconnect, pause=_PAUSE_OF_SILENCE
        ),
        _fault("cut between leader and follower", lambda victims: part, _reconnect),
        _fault("cut from follower to leader only", lambda victims: to_leader, _reconnect),
        _fault("cut from leader to follower only", lambda victims: from_leader, _reconnect),
        _fault("slow link to the leader", lambda victims: slow, _reconnect, acks=None),
    ]


def _disks() -> list[Fault]:
    def heal(cluster: Cluster, victims: "Victims") -> None:
        for name in cluster.names:
            disk = cluster.disk(name)
            if disk is not None:
                disk.heal()
        _revive(cluster, victims)

    def on(choose: "Choice", breaks: Callable[[Disk], None]) -> "Builder":
        def build(victims: "Victims") -> "Breaking":
            def strike(cluster: Cluster) -> None:
                name = choose(cluster)
                breaks(_disk(cluster, name))
                victims.add(name)

            return strike

        return build

    return [
        _fault("slow disk of the leader", on(_the_leader, lambda disk: disk.slow()), heal, acks=None),
        _fault("stuck disk of a follower", on(_a_follower, lambda disk: disk.stick()), heal),
        _fault(
            "full disk of a follower", on(_a_follower, lambda disk: disk.fill()), heal, least=_FULL_SECONDS
        ),
        _fault(
            "full disk of the leader",
            on(_the_leader, lambda disk: disk.fill()),
            heal,
            acks=None,
            least=_FULL_SECONDS,
        ),
    ]


def _clocks() -> list[Fault]:
    def jump(choose: "Choice", seconds: int) -> "Breaking":
        return lambda cluster: _clock(cluster, choose(cluster)).jump(seconds)

    def heal(cluster: Cluster, victims: "Victims") -> None:
        for clock in map(cluster.clock, cluster.names):
            if clock is not None:
                clock.jump(0)

    return [
        _fault("clock of one node an hour ahead", lambda victims: jump(_a_follower, 3600), heal),
        _fault("clock of one node an hour behind", lambda victims: jump(_a_follower, -3600), heal),
    ]


def _lost_answers() -> Fault:
    def strike(cluster: Cluster) -> None:
        proxies = [cluster.answers(name) for name in cluster.names]
        if not any(proxies):
            raise CannotHere("no proxy stands between the nodes and their members")
        for proxy in proxies:
            if proxy is not None:
                proxy.lose(_LOST_SHARE)

    def heal(cluster: Cluster, victims: "Victims") -> None:
        for proxy in map(cluster.answers, cluster.names):
            if proxy is not None:
                proxy.lose(0)

    return _fault("lost answers", lambda victims: strike, heal, acks=None, least=6.0)


def _members() -> list[Fault]:
    def compact_past(victims: "Victims") -> "Breaking":
        def strike(cluster: Cluster) -> None:
            members = _membership(cluster)
            _kill_node(victims, _a_follower)(cluster)
            members.snapshot_and_compact()

        return strike

    def wipe(choose: "Choice", *, leave: bool) -> "Builder":
        def build(victims: "Victims") -> "Breaking":
            def strike(cluster: Cluster) -> None:
                members = _membership(cluster)
                victim = choose(cluster)
                _kill_node(victims, lambda _: victim)(cluster)
                victims.discard(victim)
                _the_leader(cluster)  # the others' next one, where it was the victim
                members.wipe(victim, leave=leave)
                members.snapshot_and_compact()
                members.join(victim)

            return strike

        return build

    def learner(cluster: Cluster) -> None:
        members = _membership(cluster)
        members.join("n4", learner=True)
        members.promote("n4")
        members.remove("n4")

    def transfer(cluster: Cluster) -> None:
        _membership(cluster).transfer(_a_follower(cluster))

    return [
        _fault("compaction past a node that is down", compact_past),
        _fault("wipe and rejoin", wipe(_a_follower, leave=True)),
        _fault("loss of the leader's directory", wipe(_the_leader, leave=False), pause=_PAUSE_OF_ELECTION),
        _fault("learner, promote, remove", lambda victims: learner),
        _fault("transfer of leadership", lambda victims: transfer, pause=_PAUSE_OF_TRANSFER),
    ]


Victims = set[str]
Choice = Callable[[Cluster], str]
Breaking = Callable[[Cluster], Any]
Builder = Callable[[Victims], Breaking]
Healing = Callable[[Cluster, Victims], None]


def _revive(cluster: Cluster, victims: Victims) -> None:
    """Start what does not run, all at once: none is healthy before a majority is there."""
    dead = [name for name in sorted(victims) if not cluster.is_running(name)]
    victims.clear()
    with ThreadPoolExecutor() as pool:
        for started in [pool.submit(cluster.start, name) for name in dead]:
            started.result()


def _fault(
    name: str,
    build: Builder,
    heal: Healing = _revive,
    *,
    acks: bool | None = True,
    pause: float = _PAUSE,
    least: float = 0.0,
) -> Fault:
    """A fault whose blocking halves run off the event loop, on which the clients are at work."""
    victims: Victims = set()
    strike = build(victims)

    async def inject(cluster: Cluster) -> None:
        await asyncio.to_thread(strike, cluster)

    async def mend(cluster: Cluster) -> None:
        await asyncio.to_thread(heal, cluster, victims)

    return Fault(name, inject, mend, acks, pause, least=max(least, pause + 1.0 if acks else 0.0))


def _kill_etcd(cluster: Cluster) -> None:
    """Its node is to start it again by itself."""
    processes.kill(_etcd(cluster, _the_leader(cluster)))


def _kill_node(victims: Victims, choose: Choice) -> Breaking:
    return lambda cluster: _kill_nodes(cluster, [choose(cluster)], victims)


def _kill_meta(victims: Victims, choose: Choice) -> Breaking:
    """Its etcd must not outlive it."""

    def strike(cluster: Cluster) -> None:
        name = choose(cluster)
        victims.add(name)
        processes.kill_one(cluster.pids(name).meta)
        cluster.killed(name)

    return strike


def _kill_everything(victims: Victims) -> Breaking:
    return lambda cluster: _kill_nodes(cluster, cluster.names, victims)


def _kill_majority(victims: Victims) -> Breaking:
    def strike(cluster: Cluster) -> None:
        leader = _the_leader(cluster)
        others = [name for name in cluster.names if name != leader]
        _kill_nodes(cluster, [leader, *others][: len(cluster.names) // 2 + 1], victims)

    return strike


def _kill_nodes(cluster: Cluster, names: Sequence[str], victims: Victims) -> None:
    victims.update(names)
    pids = [pid for name in names for pid in cluster.pids(name) if pid is not None]
    processes.kill_all(pids)
    for name in names:
        cluster.killed(name)


def _restart_in_turn(cluster: Cluster) -> None:
    for name in cluster.names:
        cluster.stop(name)
        cluster.start(name)


def _freeze(victims: Victims, choose: Choice, what: str) -> Breaking:
    def strike(cluster: Cluster) -> None:
        name = choose(cluster)
        victims.add(name)
        if what != "etcd":
            processes.freeze(cluster.pids(name).meta)
        if what != "meta":
            processes.freeze(_etcd(cluster, name))

    return strike


def _thaw(cluster: Cluster, victims: Victims) -> None:
    for name in sorted(victims):
        for pid in cluster.pids(name):
            if pid is not None:
                processes.thaw(pid)
    victims.clear()


def _reconnect(cluster: Cluster, victims: Victims) -> None:
    if cluster.network is not None:
        cluster.network.heal()


def _the_leader(cluster: Cluster) -> str:
    deadline = time.monotonic() + _ELECTION_SECONDS
    while (leader := cluster.leader()) is None:
        if time.monotonic() > deadline:
            raise Unavailable(f"The cluster had no leader within {_ELECTION_SECONDS:g} s before the fault.")
        time.sleep(_POLL_SECONDS)
    return leader


def _a_follower(cluster: Cluster) -> str:
    """In a cluster of one, its only node."""
    leader = _the_leader(cluster)
    return next((name for name in cluster.names if name != leader), leader)


def _etcd(cluster: Cluster, name: str) -> int:
    pid = cluster.pids(name).etcd
    if pid is None:
        raise CannotHere("the node has no etcd member")
    return pid


def _network(cluster: Cluster) -> Network:
    if cluster.network is None:
        raise CannotHere("the nodes have no links that can be cut (root and network namespaces are needed)")
    return cluster.network


def _disk(cluster: Cluster, name: str) -> Disk:
    disk = cluster.disk(name)
    if disk is None:
        raise CannotHere("the node has no disk of its own (root and loop devices are needed)")
    return disk


def _clock(cluster: Cluster, name: str) -> Clock:
    clock = cluster.clock(name)
    if clock is None:
        raise CannotHere("the node has the machine's clock (libfaketime is needed)")
    return clock


def _membership(cluster: Cluster) -> Membership:
    if not hasattr(cluster, "join"):
        raise CannotHere("the cluster cannot change its members")
    return cast("Membership", cluster)
