"""``diag status | nodes | metrics | snapshot``: what the admin API says of a node."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import click

from diag.cli.admin_client import admin_options, fetch, node_option, of_node
from diag.cli.kinds import Seconds
from diag.cli.tables import aligned

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

_HEADINGS = ("ID", "STATE", "LEADER", "TERM", "APPLIED", "LAG", "SEQ", "KEYS", "DB_BYTES", "RAFT")


@click.command()
@admin_options
@node_option
@click.option("--json", "as_json", is_flag=True, help="The whole answer as JSON.")
def status(endpoint: str, token: str | None, node: str | None, as_json: bool) -> int:
    """A node's view of its cluster; exit code 1 when it knows no leader.

    --node all: one line a node, as each sees itself; exit code 1 when one did not answer, or knows no leader.
    """
    answer = fetch(endpoint, token, "/v1/cluster/status", of_node(node)).json()
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    elif isinstance(answer, list):
        click.echo("\n".join(_table(answer)))
    else:
        click.echo("\n".join(_view(answer)))
    return 0 if all(told.get("leader") for told in (answer if isinstance(answer, list) else [answer])) else 1


@click.command()
@admin_options
@click.option("--json", "as_json", is_flag=True, help="The whole answer as JSON.")
def nodes(endpoint: str, token: str | None, as_json: bool) -> int:
    """The nodes of the cluster, one a line: addresses, part, and how far behind the leader's log it is.

    Every node is asked; one that does not answer is told so.
    """
    if as_json:
        click.echo(json.dumps(fetch(endpoint, token, "/v1/cluster/nodes").json(), indent=2))
        return 0
    told = fetch(endpoint, token, "/v1/cluster/status").json()
    everyone = fetch(endpoint, token, "/v1/cluster/status", of_node("all")).json()
    lag = _lag_by_leader(everyone)
    silent = {one["name"] for one in everyone if "error" in one}
    click.echo("\n".join(aligned(_member_words(told, lag, silent))))
    return 0


@click.command()
@admin_options
@node_option
def metrics(endpoint: str, token: str | None, node: str | None) -> int:
    """The node's metrics page; --node all: one page with the node on each sample."""
    click.echo(fetch(endpoint, token, "/v1/metrics", of_node(node)).text, nl=False)
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
    """Write a snapshot on every node, and say what each has; exit code 1 when one has none in time."""
    params = {"wait": str(wait)} if wait else {}
    answer = fetch(endpoint, token, "/v1/ctrl/trigger_snapshot", params, wait + 10).json()
    click.echo("triggered snapshot successfully." if answer is None else json.dumps(answer, indent=2))
    return 1 if any("error" in held for held in (answer or {"nodes": []})["nodes"]) else 0


def _view(answer: dict[str, Any]) -> Iterator[str]:
    """A node's view, a fact a line."""
    for label, key in _LABELS.items():
        yield f"{label}: {answer.get(key)}"
    yield f"LastApplied: {_log_id(answer['last_applied'])}"
    yield f"SnapshotLastLogID: {_log_id(answer.get('snapshot_last_log_id'))}"
    yield f"Node: id={answer['id']} raft={answer['endpoint']}"
    yield f"Leader: {_node_line(answer['leader'])}"
    if "removed" in answer:
        yield f"Removed: {answer['removed']}"
    lag = answer.get("replication_lag") or {}
    for label, key in (("Voter", "voters"), ("NonVoter", "non_voters")):
        for node in answer[key]:
            yield " ".join([f"{label}: {_node_line(node)}", *_lag_word(lag, node)])


def _table(answers: Sequence[dict[str, Any]]) -> list[str]:
    """One line a node; LAG is in log entries, by the furthest log there is. ``*`` marks the leader."""
    known = [told["last_log_index"] for told in answers if "error" not in told]
    rows = [_row(told, max(known, default=0)) for told in answers]
    lines = aligned([_HEADINGS, *rows], gap="  ")
    words = [(told["id"], told.get("error") or told.get("removed")) for told in answers]
    return lines + [f"node {node_id}: {said}" for node_id, said in words if said]


def _row(told: dict[str, Any], last: int) -> list[str]:
    if "error" in told:
        return [str(told["id"]), "no answer"]
    applied = told["last_applied"]["index"]
    return [
        f"{told['id']}{'*' if told['is_leader'] else ''}",
        told["state"],
        told["leader"]["name"] if told["leader"] else "none",
        *(str(value) for value in (told["current_term"], applied, max(0, last - applied))),
        *(str(told[key]) for key in ("last_seq", "key_count", "db_size", "endpoint")),
    ]


def _member_words(told: dict[str, Any], lag: dict[str, int], silent: set[str]) -> Iterator[list[str]]:
    """What the leader heard last of a node that is ``silent`` says nothing of how far behind it is."""
    leader = told["leader"]["name"] if told["leader"] else None
    for part, key in (("voter", "voters"), ("learner", "non_voters")):
        for node in told[key]:
            mark = "leader" if node["name"] == leader else ""
            last = ["does not answer"] if node["name"] in silent else _lag_word(lag, node)
            yield [*_node_line(node).split(" "), part, mark, *last]


def _lag_by_leader(everyone: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Only the leader knows; when it does not answer, nobody is said to lag."""
    leader = next((told for told in everyone if told.get("is_leader")), {})
    return leader.get("replication_lag") or {}


def _lag_word(lag: dict[str, int], node: dict[str, Any]) -> list[str]:
    return [f"lag={lag[node['name']]}"] if node["name"] in lag else []


def _node_line(node: dict[str, Any] | None) -> str:
    if node is None:
        return "none"
    endpoint = node["endpoint"]
    return f"id={node['name']} raft={endpoint['addr']}:{endpoint['port']} grpc={node['grpc_api_addr'] or ''}"


def _log_id(log_id: dict[str, Any] | None) -> str:
    if log_id is None:
        return "none"
    leader = log_id.get("leader_id") or {"term": log_id["term"], "node_id": 0}
    return f"T{leader['term']}-N{leader['node_id']}.{log_id['index']}"
