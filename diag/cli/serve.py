"""``diag serve``: one flag for each key of the configuration, then the node until a signal ends it."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from diag.config import Config, load_config, show_config
from diag.config.model import Section
from diag.logs import start_logging
from diag.node import Node
from diag.processes.open_files import raise_limit

#: Seconds of starting without a word on the terminal.
_QUIET_SECONDS = 5.0


#: The options that most nodes need; the others stand for a key of the file, which says no less.
_HELP = {
    "admin_api_address": "Where the admin HTTP API listens, host:port.",
    "grpc_api_address": "Where clients reach the node by gRPC, host:port.",
    "grpc_api_advertise_host": "The host by which clients and other nodes reach the gRPC port.",
    "grpc_transport": "nghttp2, or grpcio: gRPC's own server, where all clients are trusted.",
    "log_dir": "Directory of the node's log files.",
    "log_level": "What goes to the log files.",
    "raft_config.id": "The node's number, its own within the cluster.",
    "raft_config.log_engine": "embedded for a node of its own, etcd for a member of a cluster.",
    "raft_config.raft_dir": "The node's data directory.",
    "raft_config.raft_listen_host": "The host on which the other members reach this one.",
    "raft_config.raft_advertise_host": "The host by which the other members know this one.",
    "raft_config.raft_api_port": "The port of both.",
    "raft_config.single": "Start a node of its own, or the first of a cluster.",
    "raft_config.join": "Raft address of a member whose cluster to join, host:port; may be repeated.",
    "raft_config.learner": "Join without a vote, until diag promote.",
    "raft_config.leave_id": "Take this node out of its cluster, and serve nothing.",
    "raft_config.leave_via": "Admin address of a member that is asked to; may be repeated.",
    "raft_config.cluster_name": "A node joins only a cluster of the same name.",
    "raft_config.snapshot_logs_since_last": "Write a snapshot after so many commands.",
    "raft_config.wait_leader_timeout": "Milliseconds that a start waits for the cluster.",
    "raft_config.etcd_binary": "The etcd to run; default: the one on PATH.",
}


def _flags() -> Iterator[tuple[str, str, type]]:
    """(flag, dotted key, type) of every key; raft_config's and the root's keys stand without a prefix."""
    for section, dotted, dashed in _sections(Config, "", ""):
        for name, field in section.model_fields.items():
            kind = bool if field.annotation is bool else str
            if not (isinstance(field.annotation, type) and issubclass(field.annotation, Section)):
                yield f"--{dashed}{name}".replace("_", "-"), f"{dotted}{name}", kind


def _sections(section: type[Section], dotted: str, dashed: str) -> Iterator[tuple[type[Section], str, str]]:
    yield section, dotted, dashed
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            prefix = "" if name == "raft_config" else f"{dashed}{name}-"
            yield from _sections(field.annotation, f"{dotted}{name}.", prefix)


def with_flags(command: Callable[..., int]) -> Callable[..., int]:
    """One option for each key, under the key's dotted name with ``__`` for the dots."""
    for flag, key, kind in reversed(list(_flags())):
        name = key.replace(".", "__")
        told = _HELP.get(key, f"Wins over {key} of the file.")
        if kind is bool:
            option = click.option(
                flag, name, is_flag=False, flag_value="true", default=None, metavar="[BOOL]", help=told
            )
        else:
            several = key.endswith(("join", "leave_via"))
            option = click.option(flag, name, multiple=several, default=None, help=told)
        command = option(command)
    return command


@click.command()
@click.option("-c", "--config-file", type=click.Path(path_type=Path), help="A databend-meta.toml.")
@click.option("--cmd", type=click.Choice(["", "ver", "show-config"]), default="", help="Print and leave.")
@with_flags
def serve(config_file: Path | None, cmd: str, **flags: Any) -> int:
    """Serve one meta node; flags win over the file.

    --single starts a node of its own, or the first of a cluster; --join HOST:PORT, with --log-engine etcd,
    one that joins it. --leave-id with --leave-via HOST:PORT serves nothing: it takes a node out.
    """
    return serve_with(config_file, flags, cmd)


def serve_with(config_file: Path | None, flags: dict[str, Any], cmd: str = "") -> int:
    """What ``serve`` does, by the values of its options."""
    given = {key.replace("__", "."): value for key, value in flags.items() if value not in (None, ())}
    if cmd == "ver":
        given["raft_config.single"] = True
    config = load_config(config_file, given, os.environ)
    if cmd == "ver":
        click.echo(f"version: {Node.version()}")
        return 0
    if cmd == "show-config":
        click.echo(show_config(config), nl=False)
        return 0
    if config.raft_config.leave_id is not None:
        return _leave(config, config.raft_config.leave_id)
    start_logging(config)
    raise_limit()
    return _run(config)


def _leave(config: Config, node_id: int) -> int:
    from diag.cli.members import take_out  # a node that serves loads no HTTP client

    token = config.admin.token.get_secret_value() if config.admin.token else None
    return take_out(config.raft_config.leave_via, token, node_id)


def _run(config: Config) -> int:
    if sys.platform == "win32":
        return asyncio.run(_serve(config))
    import uvloop

    return uvloop.run(_serve(config))


async def _serve(config: Config) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    while await _serve_once(config, stop):
        click.echo("the node starts again, from another node's snapshot", err=True)
    return 0


def _place(config: Config) -> str:
    file = config.file_log()
    return f", in {file.dir}" if file.on and not config.log.stderr.on else ""


async def _serve_once(config: Config, stop: asyncio.Event) -> bool:
    """Whether to start again: the cluster's log went on without this node, which needs a snapshot."""
    node = Node(config)
    starting, stopping = asyncio.ensure_future(node.start()), asyncio.ensure_future(stop.wait())
    await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED, timeout=_QUIET_SECONDS)
    if not starting.done() and not stopping.done():
        click.echo(f"the node is still starting; what it waits for is in its log{_place(config)}", err=True)
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return False
    starting.result()
    # What was made so far lives as long as the node; to search it for garbage stops the loop for tens of ms.
    gc.freeze()
    click.echo(node.banner(), err=True)
    behind = asyncio.ensure_future(node.fell_behind())
    await asyncio.wait([behind, stopping], return_when=asyncio.FIRST_COMPLETED)
    behind.cancel()
    stopping.cancel()
    await node.stop()
    return not stop.is_set()
