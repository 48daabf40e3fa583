"""Every way to profile once, in short windows, against a node under load."""

from pathlib import Path

import httpx

from diag.perf.kv_load import KvLoad
from diag.perf.node_process import NO_SNAPSHOTS, NodeProcess
from diag.perf.profile_bench import MEMORY, WAYS, in_turns
from tests.polling import until


def test_no_ways_give_nothing(tmp_path: Path) -> None:
    with NodeProcess(tmp_path / "node") as node, KvLoad(tmp_path, node.grpc) as load:
        assert in_turns(node, load, (), 1, 0.1) == {}


def test_every_way_runs_beside_a_load_and_no_snapshot_of_the_node_s_own_comes_in(tmp_path: Path) -> None:
    ways = (*WAYS, *MEMORY)
    with NodeProcess(tmp_path / "node", NO_SNAPSHOTS) as node, KvLoad(tmp_path, node.grpc) as load:
        until(lambda: load.done > 2_000)  # twice as many as a snapshot follows on by default
        taken = in_turns(node, load, ways, 1, 0.3)
        status = httpx.get(f"http://{node.admin}/v1/cluster/status", trust_env=False).json()
    assert [name for name, pairs in taken.items() if len(pairs) == 1] == [way.name for way in ways]
    assert status["snapshot"] is None
