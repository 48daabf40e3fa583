import math

import pytest

from diag.errors import InvalidRequest
from diag.profilers.requests import CpuRequest, HeapRequest, TraceRequest


def test_nothing_asked_gives_the_defaults() -> None:
    assert CpuRequest.parse({}) == CpuRequest(5.0, None, "cpu", "auto", native=False)
    assert HeapRequest.parse({}) == HeapRequest(10.0, "peak", small_objects=False)
    assert TraceRequest.parse({}) == TraceRequest(5.0, "flamegraph")


def test_text_values_are_read_by_their_kind() -> None:
    request = CpuRequest.parse({"seconds": "0.5", "frequency": "250", "mode": "gil", "native": "true"})
    assert request == CpuRequest(0.5, 250, "gil", "auto", native=True)
    assert HeapRequest.parse({"small_objects": "0"}).small_objects is False


@pytest.mark.parametrize("seconds", [0.1, 300.0])
@pytest.mark.parametrize("frequency", [1, 1000])
def test_the_bounds_are_allowed(seconds: float, frequency: int) -> None:
    assert CpuRequest(seconds, frequency).seconds == seconds


@pytest.mark.parametrize("seconds", [0.0, 0.09, 300.1, -1.0, math.nan, math.inf])
def test_seconds_outside_name_parameter_and_range(seconds: float) -> None:
    for request in (CpuRequest, HeapRequest, TraceRequest):
        with pytest.raises(InvalidRequest, match=r"seconds.*0\.1 to 300"):
            request(seconds=seconds)


@pytest.mark.parametrize("frequency", [0, -1, 1001])
def test_frequency_outside_names_parameter_and_range(frequency: int) -> None:
    with pytest.raises(InvalidRequest, match=r"frequency.*1 to 1000"):
        CpuRequest(frequency=frequency)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"seconds": "five"}, "seconds.*'five'.*a number"),
        ({"seconds": "nan"}, "seconds"),
        ({"seconds": ""}, "seconds"),
        ({"seconds": "1_0"}, "seconds.*a number"),
        ({"seconds": "\uff11"}, "seconds.*a number"),
        ({"seconds": " 1"}, "seconds.*a number"),
        ({"frequency": "9.5"}, "frequency.*whole number"),
        ({"mode": "fast"}, "mode.*cpu, gil, wall"),
        ({"engine": "perf"}, "engine.*auto, py-spy, inprocess"),
        ({"native": "maybe"}, "native.*true or false"),
        ({"secnods": "5"}, "'secnods' is not known"),
        ({"engine": "inprocess", "native": "true"}, "native=true needs engine=py-spy"),
        ({"engine": "inprocess", "mode": "gil"}, "mode=gil needs engine=py-spy"),
    ],
)
def test_anything_else_is_refused_with_a_sentence(params: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        CpuRequest.parse(params)


def test_heap_and_trace_name_their_choices() -> None:
    with pytest.raises(InvalidRequest, match=r"mode.*peak, leaks, temporary, allocations"):
        HeapRequest(mode="all")
    with pytest.raises(InvalidRequest, match=r"renderer.*flamegraph, flameprof"):
        TraceRequest(renderer="png")
