"""Both texts, against the parsers that scrapers use and against the contract's sample."""

import re
import shutil
import subprocess

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.registry import Collector

from diag.metrics import names
from diag.metrics.collector import node_registry
from diag.metrics.exposition import contract_text, exposition
from diag.metrics.lag import LoopLag
from diag.metrics.registry import Metrics
from tests.metrics.conftest import StillLog

CONTRACT = {
    "metasrv_meta_network_recv_bytes": "counter",
    "metasrv_server_leader_changes": "counter",
    "metasrv_meta_network_req_success": "counter",
    "metasrv_meta_network_sent_bytes": "counter",
    "metasrv_server_node_is_health": "gauge",
    "metasrv_server_is_leader": "gauge",
    "metasrv_server_proposals_applied": "gauge",
    "metasrv_server_last_seq": "gauge",
    "metasrv_server_current_term": "gauge",
    "metasrv_meta_network_req_inflights": "gauge",
    "metasrv_server_proposals_pending": "gauge",
    "metasrv_server_last_log_index": "gauge",
    "metasrv_server_current_leader_id": "gauge",
    "metasrv_meta_network_rpc_delay_seconds": "summary",
}
OPENMETRICS = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"


def parse_openmetrics(text: str) -> list[Metric]:
    return list(openmetrics_parser.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]


def used_metrics() -> Metrics:
    metrics = Metrics()
    for kind, seconds in (("read", 0.0002), ("write", 0.0031), ("other", 0.04)):
        metrics.request_started()
        metrics.request_finished(kind, seconds, ok=True)  # type: ignore[arg-type]
    metrics.received(307163)
    return metrics


def registry_of(log: StillLog, metrics: Metrics) -> CollectorRegistry:
    return node_registry(log, metrics, LoopLag(), "0.1.0", "abcdef")


def values(text: str) -> dict[str, float]:
    """The unlabelled samples; read by hand, because the library's parser renames counters."""
    lines = (line.split(" ") for line in text.splitlines() if line and line[0] != "#" and "{" not in line)
    return {name: float(value) for name, value in lines}


def test_an_empty_registry_gives_an_empty_text() -> None:
    assert contract_text(CollectorRegistry()) == ""
    assert exposition(CollectorRegistry(), "application/openmetrics-text")[0] == b"# EOF\n"


def test_a_node_that_served_nothing_is_readable_in_both_forms(log: StillLog) -> None:
    log.snapshot_facts = None
    registry = registry_of(log, Metrics())
    assert list(parse_text(contract_text(registry)))
    assert parse_openmetrics(exposition(registry, OPENMETRICS)[0].decode())


@pytest.mark.parametrize(("name", "kind"), CONTRACT.items())
def test_the_contract_s_names_stand_with_their_types(log: StillLog, name: str, kind: str) -> None:
    text = contract_text(registry_of(log, used_metrics()))
    assert f"# TYPE {name} {kind}\n" in text
    if kind != "summary":
        assert re.search(rf"^{name} \d+$", text, re.MULTILINE)


def test_the_summary_has_the_contract_s_lines_in_order(log: StillLog) -> None:
    text = contract_text(registry_of(log, used_metrics()))
    name = "metasrv_meta_network_rpc_delay_seconds"
    labels = [line.split(" ")[0] for line in text.splitlines() if line.startswith(name)]
    quantiles = [f'{name}{{quantile="{q}"}}' for q in ("0", "0.5", "0.9", "0.95", "0.99", "0.999", "1")]
    assert labels == [*quantiles, f"{name}_sum", f"{name}_count"]


def test_every_family_of_the_table_is_served_once(log: StillLog) -> None:
    text = contract_text(registry_of(log, used_metrics()))
    typed = re.findall(r"^# TYPE (metasrv_\S+) (\S+)$", text, re.MULTILINE)
    assert typed == [(family.name, family.kind) for family in names.ALL]


def test_figures_come_from_the_log_and_the_counters(log: StillLog) -> None:
    found = values(contract_text(registry_of(log, used_metrics())))
    expected = {
        "metasrv_server_current_leader_id": 1,
        "metasrv_server_is_leader": 1,
        "metasrv_server_leader_changes": 5,
        "metasrv_server_proposals_applied": 41,
        "metasrv_server_proposals_pending": 2,
        "metasrv_server_proposals_failed": 1,
        "metasrv_server_last_log_index": 42,
        "metasrv_server_last_seq": 17,
        "metasrv_server_snapshot_key_count": 15,
        "metasrv_server_snapshot_primary_index_count": 12,
        "metasrv_server_snapshot_expire_index_count": 3,
        "metasrv_raft_storage_snapshot_building": 1,
        "metasrv_raft_storage_snapshot_written_entries": 15,
        "metasrv_meta_network_recv_bytes": 307163,
        "metasrv_meta_network_req_success": 3,
        "metasrv_meta_network_rpc_delay_seconds_count": 3,
        "metasrv_meta_network_rpc_delay_read_ms_count": 1,
    }
    assert {name: found[name] for name in expected} == expected


def test_what_the_store_refused_is_told_by_function(log: StillLog) -> None:
    lines = contract_text(registry_of(log, Metrics())).splitlines()
    assert 'metasrv_raft_storage_raft_store_write_failed{func="apply"} 3' in lines
    assert 'metasrv_raft_storage_raft_store_read_failed{func="read"} 1' in lines


def test_a_node_without_a_leader_says_so(log: StillLog) -> None:
    log.state = "Candidate"
    found = values(contract_text(registry_of(log, Metrics())))
    assert found["metasrv_server_current_leader_id"] == 0
    assert found["metasrv_server_is_leader"] == 0
    assert found["metasrv_server_node_is_health"] == 0


def test_buckets_are_cumulative_and_end_at_the_count(log: StillLog) -> None:
    registry = registry_of(log, used_metrics())
    families = {family.name: family for family in parse_text(contract_text(registry))}
    samples = families["metasrv_meta_network_rpc_delay_ms"].samples
    buckets = [s.value for s in samples if s.name.endswith("_bucket")]
    assert buckets == sorted(buckets)
    assert buckets[-1] == next(s.value for s in samples if s.name.endswith("_count")) == 3


def test_the_default_is_the_contract_s_form(log: StillLog) -> None:
    for accept in ("", "*/*", "text/html", "application/openmetrics-text;q=0", "text/plain;version=0.0.4"):
        body, media_type = exposition(registry_of(log, Metrics()), accept)
        assert media_type.startswith("text/plain")
        assert b"# EOF" not in body
        assert b"recv_bytes_total" not in body


def test_openmetrics_when_the_scraper_names_it(log: StillLog) -> None:
    body, media_type = exposition(registry_of(log, used_metrics()), OPENMETRICS)
    assert media_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")
    families = {family.name: family for family in parse_openmetrics(body.decode())}
    received = families["metasrv_meta_network_recv_bytes"]
    assert [(s.name, s.value) for s in received.samples] == [
        ("metasrv_meta_network_recv_bytes_total", 307163)
    ]
    assert families["metasrv_meta_network_rpc_delay_seconds"].type == "summary"


def test_both_forms_tell_the_same_figures(log: StillLog) -> None:
    registry = registry_of(log, used_metrics())
    text = {f.name: f for f in parse_text(contract_text(registry))}
    openmetrics = {f.name: f for f in parse_openmetrics(exposition(registry, OPENMETRICS)[0].decode())}
    for family in names.PLAIN:
        if family.name != "metasrv_server_loop_lag_seconds":
            ours, theirs = text[family.name].samples, openmetrics[family.name].samples
            assert [s.value for s in ours] == [s.value for s in theirs], family.name


class Awkward(Collector):
    def collect(self) -> list[Metric]:
        metric = Metric("odd", 'a "help"\nof two \\ lines', "gauge")
        metric.add_sample("odd", {"path": 'a\\b"c\nd'}, 0.1)
        metric.add_sample("odd", {"path": "big"}, float("inf"))
        return [metric]


def test_labels_and_help_are_escaped() -> None:
    registry = CollectorRegistry()
    registry.register(Awkward())
    (family,) = parse_text(contract_text(registry))
    assert family.documentation == 'a "help"\nof two \\ lines'
    assert [(s.labels["path"], s.value) for s in family.samples] == [
        ('a\\b"c\nd', 0.1),
        ("big", float("inf")),
    ]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_reads_it_and_finds_only_what_the_names_themselves_are(log: StillLog) -> None:
    text = contract_text(registry_of(log, used_metrics()))
    result = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True)
    findings = (result.stdout + result.stderr).splitlines()
    assert not [finding for finding in findings if "error while linting" in finding]
    bare = {f.name for f in names.ALL if f.kind == "counter"}
    named = {f.name for f in names.ALL if f.name.endswith(("_count", "_ms"))}
    assert {finding.split(" ")[0] for finding in findings} <= bare | named
