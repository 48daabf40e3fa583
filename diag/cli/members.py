"""``diag transfer | join | leave | promote``: who leads a cluster, and who belongs to it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from diag.cli.admin_client import admin_options, fetch
from diag.cli.serve import serve_with, with_flags
from diag.errors import Unavailable

_CHANGE_SECONDS = 60.0


@click.command()
@admin_options
@click.option("--to", type=int, help="Id of a voter. Default: the next that answers, by id.")
def transfer(endpoint: str, token: str | None, to: int | None) -> int:
    """Hand leadership to another voter. Any node may be asked: it asks the leader."""
    status: dict[str, Any] = fetch(endpoint, token, "/v1/cluster/status").json()
    if status["leader"] is None:
        raise Unavailable("the cluster has no leader now; ask again")
    params = {} if to is None else {"to": str(to)}
    if not status["is_leader"]:
        params["node"] = status["leader"]["name"]
    done = fetch(endpoint, token, "/v1/ctrl/trigger_transfer_leader", params, _CHANGE_SECONDS).json()
    voters = ", ".join(map(str, done["voter_ids"]))
    click.echo(f"leadership goes from node {done['from']} to node {done['to']}; the voters are {voters}")
    return 0


@click.command()
@click.argument("members", nargs=-1, required=True, metavar="HOST:PORT...")
@click.option("-c", "--config-file", type=click.Path(path_type=Path), help="A databend-meta.toml.")
@with_flags
def join(members: tuple[str, ...], config_file: Path | None, **flags: Any) -> int:
    """Serve a node that joins the cluster of the members named, by their raft addresses.

    The same as `diag serve --log-engine etcd --join HOST:PORT...`, with all its flags after the members;
    --learner joins without a vote, until `diag promote`. A node that is a member already just starts, so
    the command may be repeated after a try that failed, and with every later start.
    """
    return serve_with(config_file, flags | {"raft_config__join": members, "raft_config__log_engine": "etcd"})


@click.command()
@admin_options
@click.argument("node_id", type=int, metavar="ID")
def promote(endpoint: str, token: str | None, node_id: int) -> int:
    """Make a voter of a learner that has caught up."""
    _tell(_change(endpoint, token, "promote", node_id), f"node {node_id} is a voter")
    return 0


@click.command()
@admin_options
@click.option("--leave-id", type=int, required=True, metavar="ID", help="The node that leaves.")
@click.option(
    "--leave-via",
    multiple=True,
    metavar="HOST:PORT",
    help="Admin address of a member, of several the first that answers; default: --endpoint.",
)
def leave(endpoint: str, token: str | None, leave_id: int, leave_via: tuple[str, ...]) -> int:
    """Take a node out of its cluster, whether it runs or not.

    Refused for the last voter. A node that is no member is out already. Stop its process afterwards; to
    come back it needs an empty data directory.
    """
    return take_out(leave_via or (endpoint,), token, leave_id)


def take_out(via: Sequence[str], token: str | None, node_id: int) -> int:
    """Ask the members in turn until one that can be reached has done it, or refuses."""
    first, *others = via
    try:
        answer = _change(first, token, "leave", node_id)
    except Unavailable as error:
        if not others:
            raise
        click.echo(f"diag: {error}", err=True)
        return take_out(others, token, node_id)
    was = answer.get("was_member", True)
    _tell(answer, f"node {node_id} is out" if was else f"node {node_id} is no member; nothing was changed")
    return 0


def _change(endpoint: str, token: str | None, what: str, node_id: int) -> dict[str, Any]:
    params = {"id": str(node_id)}
    answer: dict[str, Any] = fetch(
        endpoint, token, f"/v1/ctrl/{what}", params, _CHANGE_SECONDS, method="POST"
    ).json()
    return answer


def _tell(answer: dict[str, Any], what: str) -> None:
    voters, learners = (", ".join(map(str, answer[key])) or "none" for key in ("voters", "non_voters"))
    click.echo(f"{what}; voters: {voters}; learners: {learners}")
