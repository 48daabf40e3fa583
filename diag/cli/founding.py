"""What ``diag import --initial-cluster`` takes and says: the nodes of a new cluster, made from a backup."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from diag.errors import ConfigError, StoreError
from diag.kv.directory import ETCD_DIR


def check_founder(node_id: int | None, initial: Sequence[str]) -> dict[int, str]:
    """The raft addresses by node id. ConfigError for what has not the form, or a node not among them."""
    addresses: dict[int, str] = {}
    for given in initial:
        name, _, address = given.partition("=")
        host, _, port = address.rpartition(":")
        if not (name.isdecimal() and host and port.isdecimal()):
            raise ConfigError(f"--initial-cluster is {given!r}; the form is ID=HOST:PORT, a raft address")
        if int(name) in addresses or address in addresses.values():
            raise ConfigError(f"--initial-cluster {given} names an id or an address for the second time")
        addresses[int(name)] = address
    if addresses and node_id not in addresses:
        named = "no --id" if node_id is None else f"--id {node_id}"
        raise ConfigError(
            f"--initial-cluster names the nodes {', '.join(map(str, addresses))}, and {named} is given; "
            "the id is to be one of them"
        )
    return addresses


def check_no_member(raft_dir: Path) -> None:
    """StoreError when a cluster's log is in the directory: it would not fit to another state."""
    if (raft_dir / ETCD_DIR).exists():
        raise StoreError(
            f"{raft_dir} belongs to a member of a cluster, whose log is in {ETCD_DIR} there; its state "
            "is not replaced. Import into an empty directory, which makes a new cluster."
        )


def next_steps(node_id: int, raft_dir: Path, addresses: dict[int, str]) -> str:
    """How the new cluster is started: a command to copy for each node. Nodes on one machine need their own
    --admin-api-address and --grpc-api-address besides.
    """
    first = addresses[node_id]
    lines = [
        f"node {node_id} is the first of the new cluster:",
        f"  {_command(node_id, first, raft_dir, '--single')}",
    ]
    others = {other: address for other, address in addresses.items() if other != node_id}
    if others:
        lines.append("then, each with an empty --raft-dir, as nothing is to be imported there:")
    for other, address in others.items():
        home = raft_dir.with_name(f"{raft_dir.name}-{other}")
        lines.append(f"  {_command(other, address, home, f'--join {first}')}")
    return "\n".join(lines)


def _command(node_id: int, address: str, raft_dir: Path, belongs: str) -> str:
    host, _, port = address.rpartition(":")
    return (
        f"diag serve --id {node_id} {belongs} --log-engine etcd --raft-dir {shlex.quote(str(raft_dir))} "
        f"--raft-listen-host {host} --raft-advertise-host {host} --raft-api-port {port}"
    )
