"""Pages of several nodes as one, against the parsers that scrapers use."""

from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families as parse_text

from diag.metrics.collector import node_registry
from diag.metrics.exposition import exposition
from diag.metrics.lag import LoopLag
from diag.metrics.merge import UP, merge
from diag.metrics.registry import Metrics
from tests.metrics.conftest import StillLog

OPENMETRICS = "application/openmetrics-text;version=1.0.0"


def page(accept: str = "") -> str:
    registry = node_registry(StillLog(), Metrics(), LoopLag(), "0.1.0", "abc")
    return exposition(registry, accept)[0].decode()


def parse_openmetrics(text: str) -> list[Metric]:
    return list(openmetrics_parser.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]


def test_no_page_at_all_is_a_page() -> None:
    assert [family.name for family in parse_text(merge({}, openmetrics=False))] == [UP]
    assert [family.name for family in parse_openmetrics(merge({}, openmetrics=True))] == [UP]


def test_a_node_without_a_page_is_down() -> None:
    merged = merge({1: None, 2: page()}, openmetrics=False)
    assert f'{UP}{{node="1"}} 0' in merged.splitlines()
    assert f'{UP}{{node="2"}} 1' in merged.splitlines()


def test_every_sample_is_kept_with_its_node_in_both_forms() -> None:
    for accept, parse in (("", parse_text), (OPENMETRICS, parse_openmetrics)):
        own = page(accept)
        merged = list(parse(merge({1: own, 2: own}, openmetrics=bool(accept))))
        names = [family.name for family in merged]
        assert len(names) == len(set(names)), "a family stands once"
        found = [(s.name, dict(s.labels), repr(s.value)) for family in merged for s in family.samples]
        for family in parse(own):
            for sample in family.samples:
                for node in ("1", "2"):
                    assert (sample.name, {**sample.labels, "node": node}, repr(sample.value)) in found


def test_labels_with_any_value_are_left_as_they_are() -> None:
    text = '# TYPE a gauge\na{x="} # { \\" \\\\"} 1\na{} 2\na 3 1700000000000\n'
    merged = merge({7: text}, openmetrics=False).splitlines()
    assert merged[1] == 'a{node="7",x="} # { \\" \\\\"} 1'
    assert merged[2:4] == ['a{node="7"} 2', 'a{node="7"} 3 1700000000000']


def test_of_two_types_the_first_stays() -> None:
    pages: dict[int, str | None] = {
        1: "# TYPE a gauge\na 1\n",
        2: "# TYPE a counter\na 2\n# TYPE b gauge\nb 1\n",
    }
    merged = merge(pages, openmetrics=False).splitlines()
    assert 'a{node="1"} 1' in merged
    assert not [line for line in merged if line.startswith('a{node="2"}')]
    assert 'b{node="2"} 1' in merged
