"""A network of its own for every node, through one router, with links that can be cut and slowed.

Each node has a network namespace and a veth pair to the router, a namespace as well; a last pair joins the
router to this machine, for clients. A cut is a routing rule in the router that swallows what comes in from
one node for another: packets vanish without an answer, in one direction or both, on connections that
exist as well as on new ones, and the nodes themselves see nothing. A slow node is one whose packets queue
at the router behind a token bucket. Only ``ip`` and ``tc`` are needed, and root.

Names carry the pid of their owner, so that what a killed harness left behind is known and swept.
"""

import ipaddress
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from diag.errors import Unavailable

_PREFIX = "mdf"
_NAMESPACE = re.compile(rf"{_PREFIX}(\d+)[nr]\d*")
#: Set apart for tests of networks, so nobody routes it; a harness takes one /24 of it.
_RANGE = ipaddress.ip_network("198.18.0.0/15")
_SECONDS = 10


class Network:
    """``nodes`` namespaces inside ``with``. Raises Unavailable where the machine does not permit it."""

    def __init__(self, nodes: Sequence[str]) -> None:
        self.nodes = list(nodes)
        self._owner = f"{_PREFIX}{os.getpid()}"
        self._router = f"{self._owner}r"
        self._net = str(_RANGE.network_address)
        self._cuts: set[tuple[str, str]] = set()
        self._slow: set[str] = set()

    def __enter__(self) -> Self:
        sweep()
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove all namespaces and links of this process."""
        outside = f"{self._owner}e{len(self.nodes)}"
        # A namespace ends some time after its removal; the name out here is needed again at once.
        if Path(f"/sys/class/net/{outside}").exists():
            _ip("link", "del", outside)
        for namespace in _namespaces():
            if namespace in (self._router, *map(self.namespace, self.nodes)):
                _ip("netns", "del", namespace)
        self._cuts.clear()
        self._slow.clear()

    def address(self, node: str) -> str:
        """The node's address, the same from this machine and from the other nodes."""
        return self._host(4 * self._number(node) + 2)

    def gateway(self) -> str:
        """This machine's address on the network."""
        return self._host(4 * len(self.nodes) + 2)

    def namespace(self, node: str) -> str:
        """The name of the node's namespace."""
        return f"{self._owner}n{self._number(node)}"

    def command(self, node: str) -> list[str]:
        """What to put before a command so that it runs on the node; its pid is that of the command."""
        return ["ip", "netns", "exec", self.namespace(node)]

    def cut(self, source: str, target: str) -> None:
        """Swallow all packets from one node to another; the way back stays open."""
        if (source, target) not in self._cuts:
            self._rule("add", source, target)
            self._cuts.add((source, target))

    def part(self, one: str, other: str) -> None:
        """Cut both ways."""
        self.cut(one, other)
        self.cut(other, one)

    def isolate(self, node: str) -> None:
        """Cut both ways between the node and all others; clients still reach it."""
        for other in self.nodes:
            if other != node:
                self.part(node, other)

    def slow(self, node: str, kilobits: int) -> None:
        """Let what goes to the node queue for a link of so many kilobits a second, up to 2 s long."""
        bucket = ("tbf", "rate", f"{kilobits}kbit", "burst", "4kb", "latency", "2s")
        self._in_router("tc", "qdisc", "replace", "dev", self._link(node), "root", *bucket)
        self._slow.add(node)

    def heal(self) -> None:
        """Undo every cut and every slow link."""
        while self._cuts:
            self._rule("del", *self._cuts.pop())
        while self._slow:
            self._in_router("tc", "qdisc", "del", "dev", self._link(self._slow.pop()), "root")

    def _build(self) -> None:
        self._net = _free_net()
        _ip("netns", "add", self._router)
        self._in_router("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
        self._in_router("ip", "link", "set", "lo", "up")
        for node in self.nodes:
            _ip("netns", "add", self.namespace(node))
            self._connect(self._number(node), self.namespace(node))
        self._connect(len(self.nodes), None)

    def _connect(self, number: int, namespace: str | None) -> None:
        """A link from the router to a namespace, or to this machine."""
        ours, theirs = f"{self._owner}l{number}", f"{self._owner}e{number}"
        gateway, address = self._host(4 * number + 1), self._host(4 * number + 2)
        _ip("link", "add", ours, "netns", self._router, "type", "veth", "peer", "name", theirs)
        if namespace is not None:
            _ip("link", "set", theirs, "netns", namespace)
        self._in_router("ip", "address", "add", f"{gateway}/30", "dev", ours)
        self._in_router("ip", "link", "set", ours, "up")
        inside = () if namespace is None else ("-n", namespace)
        _ip(*inside, "address", "add", f"{address}/30", "dev", theirs)
        _ip(*inside, "link", "set", theirs, "up")
        route = "default" if namespace else f"{self._net.rpartition('.')[0]}.0/24"
        _ip(*inside, "route", "add", route, "via", gateway)
        if namespace is not None:
            _ip(*inside, "link", "set", "lo", "up")

    def _rule(self, verb: str, source: str, target: str) -> None:
        way = ("iif", self._link(source), "to", self.address(target))
        self._in_router("ip", "rule", verb, *way, "priority", "1000", "blackhole")

    def _in_router(self, *command: str) -> None:
        _run("ip", "netns", "exec", self._router, *command)

    def _link(self, node: str) -> str:
        return f"{self._owner}l{self._number(node)}"

    def _number(self, node: str) -> int:
        return self.nodes.index(node)

    def _host(self, number: int) -> str:
        return f"{self._net.rpartition('.')[0]}.{number}"


def sweep() -> None:
    """Remove what harnesses left behind that are not running any more; links go with their namespaces."""
    for namespace in _namespaces():
        owner = _NAMESPACE.fullmatch(namespace)
        if owner and not Path(f"/proc/{owner[1]}").exists():
            _ip("netns", "del", namespace)


def refusal() -> str:
    """Why networks cannot be made here; empty when they can."""
    try:
        with Network(["probe"]):
            return ""
    except Unavailable as error:
        return str(error)


def _namespaces() -> list[str]:
    directory = Path("/run/netns")
    return sorted(each.name for each in directory.iterdir()) if directory.is_dir() else []


def _free_net() -> str:
    """The first address of a /24 that this machine has no route for."""
    routes = _run("ip", "-4", "route", "show", "table", "all")
    for net in _RANGE.subnets(new_prefix=24):
        start = str(net.network_address)
        if f"{start.rpartition('.')[0]}." not in routes:
            return start
    raise Unavailable(f"Every network of {_RANGE} is in use; end other fault harnesses.")


def _ip(*arguments: str) -> str:
    return _run("ip", *arguments)


def _run(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except FileNotFoundError:
        raise Unavailable(f"{command[0]} is not installed (Debian: apt install iproute2).") from None
    if done.returncode:
        raise Unavailable(
            f"The network of the nodes cannot be set: {' '.join(command)}: {done.stderr.strip()}"
        )
    return done.stdout
