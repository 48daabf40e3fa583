import pytest

from tests.profilers.conftest import Start, weight_of, weights

MEGABYTES_50 = 50_000_000


def test_a_service_that_allocates_nothing_gives_a_valid_picture(start: Start) -> None:
    capture = start().ask("heap", seconds=0.2, mode="leaks")
    assert (capture["engine"], capture["unit"], capture["kind"]) == ("memray", "bytes", "heap")
    assert sum(weights(capture["folded"]).values()) < 2_000_000


@pytest.mark.parametrize("mode", ["peak", "leaks", "allocations"])
def test_the_planted_holder_is_found_with_its_bytes(start: Start, mode: str) -> None:
    capture = start("hold").ask("heap", seconds=1.2, mode=mode)
    assert weight_of(capture["folded"], "planted") == pytest.approx(MEGABYTES_50, rel=0.01)
    [stack] = [stack for stack in weights(capture["folded"]) if "planted (" in stack]
    assert stack.startswith(("<module> (service.py:", "<module> (tests/profilers/service.py:"))


def test_temporary_finds_what_is_freed_at_once(start: Start) -> None:
    capture = start("churn").ask("heap", seconds=0.6, mode="temporary")
    assert weight_of(capture["folded"], "churned") >= 100_000
    assert capture["samples"] > 0


def test_freed_memory_is_no_leak(start: Start) -> None:
    capture = start("churn").ask("heap", seconds=0.5, mode="leaks")
    assert weight_of(capture["folded"], "churned") <= 200_000


def test_small_objects_are_followed_on_request(start: Start) -> None:
    service = start("shares")
    assert any("512 bytes" in note for note in service.ask("heap", seconds=0.2)["notes"])
    assert service.ask("heap", seconds=0.2, small_objects=True)["notes"] == []


def test_heap_trace_and_heap_again_in_one_process(start: Start) -> None:
    service = start("churn")
    assert service.ask("heap", seconds=0.2)["engine"] == "memray"
    assert service.ask("trace", seconds=0.2)["engine"] == "cProfile"
    assert service.ask("heap", seconds=0.2)["engine"] == "memray"
    assert service.leftovers() == []
