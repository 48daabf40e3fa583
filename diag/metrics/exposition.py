"""The two texts of ``/v1/metrics``, and which of them a request gets.

The contract's form is the default: a ``metasrv_`` counter stands under its
bare name. OpenMetrics, with ``_total`` and ``# EOF``, goes to a scraper that
names it in ``Accept``, as Prometheus does.
"""

import math
import re
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.samples import Sample

TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_OWN = "metasrv_"
_REFUSED = re.compile(r"q=0(\.0*)?")


def exposition(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """The scrape and its content type; ``accept`` is the request's header, or empty."""
    if _accepts_openmetrics(accept):
        return openmetrics.generate_latest(registry), OPENMETRICS_TYPE  # type: ignore[no-untyped-call]
    return contract_text(registry).encode(), TEXT_TYPE


def contract_text(registry: CollectorRegistry) -> str:
    """Prometheus text, families separated by an empty line, as the contract shows it."""
    return "\n".join(_family_text(metric) for metric in registry.collect())


def _accepts_openmetrics(accept: str) -> bool:
    for part in accept.lower().split(","):
        media, *parameters = (piece.replace(" ", "") for piece in part.split(";"))
        if media == "application/openmetrics-text":
            return not any(_REFUSED.fullmatch(parameter) for parameter in parameters)
    return False


def _family_text(metric: Metric) -> str:
    return "".join(f"{line}\n" for line in _lines(metric))


def _lines(metric: Metric) -> Iterator[str]:
    suffix = "" if metric.name.startswith(_OWN) or metric.type != "counter" else "_total"
    name = metric.name + suffix
    yield f"# HELP {name} {_escape_help(metric.documentation)}"
    yield f"# TYPE {name} {metric.type}"
    for sample in metric.samples:
        yield _sample_text(name if metric.type == "counter" else sample.name, sample)


def _sample_text(name: str, sample: Sample) -> str:
    labels = ",".join(f'{key}="{_escape(value)}"' for key, value in sample.labels.items())
    return f"{name}{{{labels}}} {_number(sample.value)}" if labels else f"{name} {_number(sample.value)}"


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) else repr(float(value))


def _escape_help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _escape(text: str) -> str:
    return _escape_help(text).replace('"', '\\"')
