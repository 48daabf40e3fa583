"""Figures about peers and etcd, as the page shows them."""

from collections.abc import Callable, Mapping

from prometheus_client.parser import text_string_to_metric_families as parse_text

from diag.metrics.collector import node_registry
from diag.metrics.exposition import contract_text
from diag.metrics.lag import LoopLag
from diag.metrics.names import PROFILING
from diag.metrics.others import ProfilingFigures
from diag.metrics.peers import PeerTraffic
from diag.metrics.registry import Metrics
from diag.replication import LogId
from tests.metrics.conftest import StillLog


def page(
    log: StillLog | None = None,
    peers: Callable[[], PeerTraffic] | None = None,
    etcd: Callable[[], Mapping[str, float]] | None = None,
) -> list[str]:
    registry = node_registry(log or StillLog(), Metrics(), LoopLag(), "0.1.0", "abc", peers=peers, etcd=etcd)
    text = contract_text(registry)
    assert list(parse_text(text))
    return text.splitlines()


def test_a_node_of_its_own_has_no_figures_of_others() -> None:
    assert not [line for line in page() if "raft_network" in line or "etcd" in line]


def test_peers_nobody_spoke_with_have_families_and_no_samples() -> None:
    lines = [line for line in page(peers=PeerTraffic) if "raft_network" in line]
    assert len(lines) == 10
    assert all(line.startswith("# ") for line in lines)


def test_what_was_sent_and_heard_is_counted_by_peer() -> None:
    traffic = PeerTraffic(
        sent_bytes={"2": 120},
        recv_bytes={"3": 7},
        sent_failures={"3": 1},
        lost={("3", "localhost:28303"): 1},
        active={("2", "localhost:28203"): 1, ("3", "localhost:28303"): 0},
    )
    lines = page(peers=lambda: traffic)
    prefix = "metasrv_raft_network_"
    assert [line for line in lines if line.startswith(prefix)] == [
        f'{prefix}active_peers{{id="2",addr="localhost:28203"}} 1',
        f'{prefix}active_peers{{id="3",addr="localhost:28303"}} 0',
        f'{prefix}fail_connect_to_peer{{id="3",addr="localhost:28303"}} 1',
        f'{prefix}sent_bytes{{to="2"}} 120',
        f'{prefix}recv_bytes{{from="3"}} 7',
        f'{prefix}sent_failures{{to="3"}} 1',
    ]


def test_etcd_s_figures_stand_under_its_name() -> None:
    lines = page(etcd=lambda: {"etcd_server_has_leader": 1, "db size": 2.5})
    assert "metasrv_etcd_server_has_leader 1" in lines
    assert "metasrv_etcd_db_size 2.5" in lines


def test_a_leader_says_how_far_behind_each_node_is() -> None:
    log = StillLog()
    log.replication = {1: LogId(3, 1, 42), 2: LogId(3, 1, 30)}
    assert 'metasrv_server_replication_lag{id="1"} 0' in page(log)
    assert 'metasrv_server_replication_lag{id="2"} 12' in page(log)
    log.state = "Follower"
    assert not [line for line in page(log) if line.startswith("metasrv_server_replication_lag")]


def test_leaders_and_followers_are_healthy_and_others_are_not_called_so() -> None:
    log = StillLog()
    for state, leads, healthy in (
        ("Leader", 1, 1),
        ("Follower", 0, 1),
        ("Learner", 0, 0),
        ("Candidate", 0, 0),
    ):
        log.state = state
        lines = page(log)
        assert f"metasrv_server_is_leader {leads}" in lines
        assert f"metasrv_server_node_is_health {healthy}" in lines


def test_always_on_profiling_has_its_figures() -> None:
    assert not [line for line in page() if "profiling" in line]
    plain = {family.name.removeprefix("metasrv_profiling_"): 3.0 for family in PROFILING}
    registry = node_registry(
        *(StillLog(), Metrics(), LoopLag(), "0.1.0", "abc"),
        profiling=lambda: ProfilingFigures(plain, {"loop-lag": 2}),
    )
    lines = contract_text(registry).splitlines()
    assert [line for line in lines if line.startswith("metasrv_profiling_windows ")]
    assert [line for line in lines if line.startswith('metasrv_profiling_triggers_fired{trigger="loop-lag"}')]
