"""Families as the exposition wants them, with their samples."""

from collections.abc import Mapping

from prometheus_client.metrics_core import Metric

from diag.metrics.names import Family


def empty(family: Family) -> Metric:
    return Metric(family.name, family.help, family.kind)


def sample_name(family: Family) -> str:
    return f"{family.name}_total" if family.kind == "counter" else family.name


def labelled(family: Family, values: Mapping[str, float] | Mapping[tuple[str, str], float]) -> Metric:
    """One sample a key: the value of the family's label, or of all its labels in their order."""
    metric = empty(family)
    for key, value in sorted(values.items()):
        labels = (key,) if isinstance(key, str) else key
        metric.add_sample(sample_name(family), dict(zip(family.labels, labels, strict=True)), value)
    return metric
