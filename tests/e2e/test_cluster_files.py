"""Four databend-meta style files start a cluster, which tells of itself in the contract's words."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from diag.perf.node_process import ConfiguredNode, free_ports
from tests.e2e.cluster import get, put, ready, status, values
from tests.polling import until

pytestmark = [pytest.mark.usefixtures("etcd"), pytest.mark.long, pytest.mark.timeout(300)]

FILES = Path(__file__).parents[1] / "config" / "files"


def written(directory: Path) -> list[Path]:
    """The three files of a cluster, and a fourth of a learner, with ports that are free here.

    Nothing else is changed, but for keys that databend-meta does not have: ``log_engine``, and the word that
    0.0.0.0 is meant to be open.
    """
    texts = [(FILES / f"node-{number}.toml").read_text() for number in (1, 2, 3)]
    fourth = texts[2].replace("28301", "28401").replace("28302", "28402").replace("28303", "28403")
    texts.append(re.sub(r"= 3$|(?<=logs)3|(?<=meta)3", lambda m: m[0].replace("3", "4"), fourth, flags=re.M))
    texts[3] += "learner = true\n"
    usual = ["9191", *(f"28{node}0{kind}" for node in range(1, 5) for kind in (1, 2, 3))]
    ports = {port: str(free) for port, free in zip(usual, free_ports(len(usual)), strict=True)}
    paths = []
    for number, text in enumerate(texts, 1):
        text = re.sub(r"\b(9191|28\d0[123])\b", lambda m: ports[m[0]], text)
        path = directory / f"node-{number}.toml"
        text = text.replace("[raft_config]\n", '[raft_config]\nlog_engine = "etcd"\n')
        path.write_text(f"{text}\n[admin]\nwithout_keys = true\n")
        paths.append(path)
    return paths


def started(directory: Path, path: Path) -> ConfiguredNode:
    text = path.read_text()
    admin, grpc = (
        re.search(rf'{role}_api_address\s*= "0\.0\.0\.0:(\d+)"', text)[1]  # type: ignore[index]
        for role in ("admin", "grpc")
    )
    return ConfiguredNode(
        directory / path.stem, path, admin=f"127.0.0.1:{admin}", grpc=f"127.0.0.1:{grpc}", timeout=60
    )


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ConfiguredNode]]:
    """Three voters and a learner, each of its file."""
    directory = tmp_path_factory.mktemp("files")
    with ExitStack() as running:
        all_nodes = []
        for path in written(directory):
            node = running.enter_context(started(directory, path))
            until(lambda node=node: ready(node), 60)  # type: ignore[misc]
            all_nodes.append(node)
        yield all_nodes


def member(number: int, path: Path) -> dict[str, Any]:
    """A node as the contract's examples have it."""
    text = path.read_text()
    raft, grpc = (
        re.search(pattern, text)[1]  # type: ignore[index]
        for pattern in (r"raft_api_port = (\d+)", r'grpc_api_address\s*= "0\.0\.0\.0:(\d+)"')
    )
    return {
        "name": str(number),
        "endpoint": {"addr": "127.0.0.1", "port": int(raft)},
        "grpc_api_addr": f"127.0.0.1:{grpc}",
    }


def of_the_contract(told: dict[str, Any], shape: dict[str, Any]) -> dict[str, Any]:
    """Only the fields that ``shape`` has: the answers have more."""
    return {key: told[key] for key in shape}


def test_four_files_start_a_cluster_and_a_write_is_everywhere(nodes: list[ConfiguredNode]) -> None:
    put(nodes[1], "by-file", b"1")
    for node in nodes:
        assert values(node, "by-file") == {"by-file": b"1"}


def test_the_list_of_nodes_is_the_contract_s(nodes: list[ConfiguredNode]) -> None:
    wanted = [member(number, node.config) for number, node in enumerate(nodes, 1)]

    def told(node: ConfiguredNode) -> list[dict[str, Any]]:
        return [of_the_contract(one, wanted[0]) for one in get(node, "/v1/cluster/nodes").json()]

    for node in nodes:
        until(lambda node=node: len(told(node)) == len(wanted), 60)  # type: ignore[misc]  # the last one just joined
        assert told(node) == wanted


def test_the_status_is_the_contract_s_field_by_field(nodes: list[ConfiguredNode]) -> None:
    put(nodes[0], "state", b"1")
    members = [member(number, node.config) for number, node in enumerate(nodes, 1)]

    def level() -> bool:
        indexes = {status(node)["last_applied"]["index"] for node in nodes}
        return len(indexes) == 1 and all(status(node)["leader"] for node in nodes)

    until(level, 60)
    terms = set()
    for number, node in enumerate(nodes, 1):
        told = status(node)
        assert told["id"] == number
        raft = members[number - 1]["endpoint"]
        assert told["endpoint"] == f"{raft['addr']}:{raft['port']}"
        assert type(told["db_size"]) is int
        assert told["db_size"] > 0
        leads = told["leader"]["name"] == str(number)
        assert told["state"] == ("Learner" if number == 4 else "Leader" if leads else "Follower")
        assert told["is_leader"] is leads
        terms.add(told["current_term"])
        assert of_the_contract(told["last_applied"], {"term": 0, "index": 0}) == {
            "term": told["current_term"],
            "index": told["last_log_index"],
        }
        leader = members[int(told["leader"]["name"]) - 1]
        assert of_the_contract(told["leader"], leader) == leader
        assert [of_the_contract(one, leader) for one in told["voters"]] == members[:3]
        assert [of_the_contract(one, leader) for one in told["non_voters"]] == members[3:]
        assert type(told["last_seq"]) is int
        assert told["last_seq"] > 0
    assert len(terms) == 1
