"""``make cluster``: three nodes on this machine, each of a configuration file, until Ctrl-C.

The next start in a directory is of the same nodes with their data. A node that ends
is told and left: to stop one, and to start it again, is what such a cluster is for.
"""

import argparse
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from diag.errors import MetaError, Unavailable
from diag.kv.directory import ETCD_DIR
from diag.perf.node_process import ConfiguredNode, free_ports
from diag.replication.etcd_flags import is_member

HOST = "127.0.0.1"
_START_SECONDS = 60.0
_LOOK_SECONDS = 0.5


class Ports(NamedTuple):
    """Where one node listens."""

    admin: int
    raft: int
    grpc: int


#: Nodes 1 to 3.
USUAL_PORTS = (Ports(28101, 28103, 9191), Ports(28201, 28203, 28202), Ports(28301, 28303, 28302))


def write_configs(directory: Path, ports: Sequence[Ports], engine: str) -> list[Path]:
    """``node-1.toml`` and so on in ``directory``; the first node starts the cluster, the others join it."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    for node_id, own in enumerate(ports, 1):
        others = [f"{HOST}:{port.raft}" for port in ports if port != own]
        belongs = "single = true" if node_id == 1 else f"join = {others!r}"
        home = directory.resolve() / f"node-{node_id}"
        path = directory / f"node-{node_id}.toml"
        path.write_text(
            f'log_dir = "{home / "logs"}"\n'
            f'admin_api_address = "{HOST}:{own.admin}"\n'
            f'grpc_api_address = "{HOST}:{own.grpc}"\n'
            f'grpc_api_advertise_host = "{HOST}"\n\n'
            "[raft_config]\n"
            f"id = {node_id}\n"
            f'log_engine = "{engine}"\n'
            f'raft_dir = "{home / "raft"}"\n'
            f'raft_listen_host = "{HOST}"\n'
            f'raft_advertise_host = "{HOST}"\n'
            f"raft_api_port = {own.raft}\n"
            f"{belongs}\n"
        )
        paths.append(path)
    return paths


@contextmanager
def running(directory: Path, ports: Sequence[Ports], engine: str) -> Iterator[list[ConfiguredNode]]:
    """The nodes, all ready; all are gone on exit.

    Those that were members in an earlier run go on with their data, and start together, for none of them has
    a majority alone. New ones start one after the other, each ready before the next, which asks it to join.
    Unavailable when one does not start, or when another process listens where one should.
    """
    _require_free(ports)
    with ExitStack() as stack:
        nodes = [
            ConfiguredNode(
                directory / config.stem,
                config.resolve(),
                admin=f"{HOST}:{own.admin}",
                grpc=f"{HOST}:{own.grpc}",
                timeout=_START_SECONDS,
            )
            for config, own in zip(write_configs(directory, ports, engine), ports, strict=True)
        ]
        _start(nodes, stack)
        yield nodes


def _start(nodes: Sequence[ConfiguredNode], stack: ExitStack) -> None:
    members = [node for node in nodes if is_member(node.directory / "raft" / ETCD_DIR)]
    for node in members:
        stack.push(node)
        node.launch()
    for node in members:
        node.wait_until_healthy()
        _wait_until_ready(node)
    for node in nodes:
        if node not in members:
            stack.enter_context(node)
            _wait_until_ready(node)


def _require_free(ports: Sequence[Ports]) -> None:
    """A node that is there already would answer in the place of one that cannot start."""
    for port in (port for own in ports for port in own):
        try:
            socket.create_server((HOST, port)).close()
        except OSError as error:
            raise Unavailable(
                f"{HOST}:{port} cannot be used: {error.strerror}. Stop what has it, or try --free-ports "
                "(make cluster ARGS=--free-ports)."
            ) from None


def _wait_until_ready(node: ConfiguredNode) -> None:
    deadline = time.monotonic() + _START_SECONDS
    said = "nothing"
    with httpx.Client(trust_env=False) as client:
        while time.monotonic() < deadline:
            node.check()
            try:
                response = client.get(f"http://{node.admin}/readyz", timeout=10)
            except httpx.TransportError as error:
                said = str(error)
            else:
                if response.status_code == httpx.codes.OK:
                    return
                said = response.text
            time.sleep(_LOOK_SECONDS)
    raise Unavailable(f"{_shown(node)} is not ready within {_START_SECONDS:g} s: {said}")


def _show(nodes: Sequence[ConfiguredNode]) -> None:
    say("")
    subprocess.run(
        [sys.executable, "-m", "diag", "status", "--node", "all", "--endpoint", nodes[0].admin], check=False
    )
    say("")
    for node in nodes:
        say(f"{_shown(node)}: admin {node.admin}, gRPC {node.grpc}, pid {node.pid}")
    diag = shlex.join([sys.executable, "-m", "diag"])
    say(f"\nThe table again:  {diag} status --node all --endpoint {nodes[0].admin}")
    say(f"Stop one:         kill {nodes[0].pid}")
    say(f"Start it again:   {diag} serve -c {_shown(nodes[0])}")
    say(f"Stop all:         Ctrl-C here, or kill {os.getpid()}")


def _watch(nodes: Sequence[ConfiguredNode]) -> None:
    """Tell of each node that ends, until a signal."""
    left = list(nodes)
    while left:
        for node in list(left):
            try:
                node.check()
            except Unavailable as error:
                say(f"{_shown(node)}: {error}")
                left.remove(node)
        time.sleep(_LOOK_SECONDS)
    say("No node is left.")


def _shown(node: ConfiguredNode) -> Path:
    return node.config.relative_to(Path.cwd()) if node.config.is_relative_to(Path.cwd()) else node.config


def say(text: str) -> None:
    """To standard output, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(argv: Sequence[str] | None = None) -> int:
    """0 when stopped by a signal or with no node left, 1 when a node does not start."""
    parser = argparse.ArgumentParser(prog="python -m diag.perf.cluster", description=__doc__)
    parser.add_argument("--directory", type=Path, default=Path(".cache/cluster"))
    parser.add_argument("--nodes", type=int, choices=[1, 2, 3], default=3)
    parser.add_argument("--engine", choices=["embedded", "etcd"], default="etcd", help="embedded: one node")
    parser.add_argument("--free-ports", action="store_true", help="any ports instead of the usual ones")
    options = parser.parse_args(argv)
    ports = USUAL_PORTS[: options.nodes]
    if options.free_ports:
        ports = tuple(Ports(*free_ports(3)) for _ in ports)
    # A shell starts what is in its background with SIGINT ignored: kill -INT is to stop the nodes there too.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        with running(options.directory, ports, options.engine) as nodes:
            _show(nodes)
            _watch(nodes)
    except KeyboardInterrupt:
        say("stopped")
    except MetaError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
