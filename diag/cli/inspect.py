"""``diag status | nodes | metrics | snapshot``: what the admin API says of a node."""

import json
from typing import Any

import click

from diag.cli.admin_client import admin_options, fetch
from diag.cli.kinds import Seconds

_LABELS = {
    "BinaryVersion": "binary_version",
    "DataVersion": "data_version",
    "DbSize": "db_size",
    "SnapshotKeyCount": "snapshot_key_count",
    "State": "state",
    "CurrentTerm": "current_term",
    "LastSeq": "last_seq",
    "LastLogIndex": "last_log_index",
}


@click.command()
@admin_options
@click.option("--json", "as_json", is_flag=True, help="The whole answer as JSON.")
def status(endpoint: str, token: str | None, as_json: bool) -> int:
    """The node's view of its cluster; exit code 1 when it knows no leader."""
    answer: dict[str, Any] = fetch(endpoint, token, "/v1/cluster/status").json()
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    else:
        for label, key in _LABELS.items():
            click.echo(f"{label}: {answer.get(key)}")
        click.echo(f"LastApplied: {_log_id(answer['last_applied'])}")
        click.echo(f"SnapshotLastLogID: {_log_id(answer.get('snapshot_last_log_id'))}")
        click.echo(f"Node: {_node(answer['id'], answer)}")
        click.echo(f"Leader: {_node_line(answer['leader'])}")
        for voter in answer["voters"]:
            click.echo(f"Voter: {_node_line(voter)}")
        for learner in answer["non_voters"]:
            click.echo(f"NonVoter: {_node_line(learner)}")
    return 0 if answer["leader"] else 1


@click.command()
@admin_options
@click.option("--json", "as_json", is_flag=True, help="The whole answer as JSON.")
def nodes(endpoint: str, token: str | None, as_json: bool) -> int:
    """The nodes of the cluster, one a line."""
    answer = fetch(endpoint, token, "/v1/cluster/nodes").json()
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    else:
        for node in answer:
            click.echo(_node_line(node))
    return 0


@click.command()
@admin_options
def metrics(endpoint: str, token: str | None) -> int:
    """The node's metrics page."""
    click.echo(fetch(endpoint, token, "/v1/metrics").text, nl=False)
    return 0


@click.command()
@admin_options
@click.option(
    "--wait",
    type=Seconds(0, 3600),
    default=60.0,
    show_default=True,
    help="Seconds to wait for it; 0 only triggers.",
)
def snapshot(endpoint: str, token: str | None, wait: float) -> int:
    """Write a snapshot on every node, and say what each has."""
    params = {"wait": str(wait)} if wait else {}
    answer = fetch(endpoint, token, "/v1/ctrl/trigger_snapshot", params, wait + 10).json()
    click.echo("triggered snapshot successfully." if answer is None else json.dumps(answer, indent=2))
    return 0


def _node_line(node: dict[str, Any] | None) -> str:
    if node is None:
        return "none"
    endpoint = node["endpoint"]
    return f"id={node['name']} raft={endpoint['addr']}:{endpoint['port']} grpc={node['grpc_api_addr'] or ''}"


def _node(node_id: int, answer: dict[str, Any]) -> str:
    return f"id={node_id} raft={answer['endpoint']}"


def _log_id(log_id: dict[str, Any] | None) -> str:
    if log_id is None:
        return "none"
    leader = log_id.get("leader_id") or {"term": log_id["term"], "node_id": 0}
    return f"T{leader['term']}-N{leader['node_id']}.{log_id['index']}"
