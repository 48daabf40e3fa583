"""The verdicts of pytest-benchmark and pyperf, by their own code; run in an environment that has them.

One JSON list on standard input, of trials: [costs of base, costs of head]. On standard output, by tool and
setting, for each trial whether it says that head is slower.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import pyperf
from pyperf._compare import CompareData, CompareResult
from pytest_benchmark.stats import Stats
from pytest_benchmark.utils import parse_compare_fail


def by_pytest_benchmark(setting: str, base: list[float], head: list[float]) -> bool:
    """``--benchmark-compare-fail=SETTING``."""
    return bool(parse_compare_fail(setting).fails(_fields(head), _fields(base)))


def _fields(costs: list[float]) -> dict[str, float]:
    stats = Stats()
    for cost in costs:
        stats.update(cost)
    return {name: getattr(stats, name) for name in ("min", "mean", "median")}


def by_pyperf(min_speed: float | None, base: list[float], head: list[float]) -> bool:
    """``compare_to``, with ``--min-speed`` or without."""
    found = CompareResult(_data("base", base), _data("head", head), min_speed)
    return bool(found.significant) and found.norm_mean > 1


def _data(name: str, costs: list[float]) -> Any:
    runs = [pyperf.Run([cost], metadata={"name": name}, collect_metadata=False) for cost in costs]
    return CompareData(name, pyperf.Benchmark(runs))


def main() -> None:
    """Judge every trial in every way."""
    trials = json.load(sys.stdin)
    ways: dict[str, Callable[[list[float], list[float]], bool]] = {
        "pytest-benchmark, mean:5%": lambda base, head: by_pytest_benchmark("mean:5%", base, head),
        "pytest-benchmark, min:5%": lambda base, head: by_pytest_benchmark("min:5%", base, head),
        "pyperf compare_to": lambda base, head: by_pyperf(None, base, head),
        "pyperf compare_to --min-speed 5": lambda base, head: by_pyperf(5.0, base, head),
    }
    json.dump({name: [way(*trial) for trial in trials] for name, way in ways.items()}, sys.stdout)


if __name__ == "__main__":
    main()
