import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from diag.errors import NoSpace
from diag.profilers.memory import Memray, folding
from diag.profilers.requests import HeapRequest
from diag.profilers.span import Span
from tests.polling import until
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
    notes = service.ask("heap", seconds=0.2, small_objects=True)["notes"]
    assert not any("512 bytes" in note for note in notes)


@pytest.mark.parametrize("mode", ["peak", "leaks", "allocations"])
def test_bytes_are_those_that_memray_counts(tmp_path: Path, mode: str) -> None:
    import memray

    path = tmp_path / "capture.bin"
    with memray.Tracker(path, trace_python_allocators=True):
        held = [bytearray(1000 + number) for number in range(1000)]
        for number in range(1000):
            bytearray(5000 + number)
    with memray.FileReader(path) as reader:
        totals = {
            "peak": reader.metadata.peak_memory,
            "leaks": sum(record.size for record in reader.get_leaked_allocation_records()),
            "allocations": memray._memray.compute_statistics(str(path)).total_memory_allocated,
        }
    with path.open("rb") as file, folding(file, mode, None) as fold:
        _, _, folded = fold(threading.Event())
    assert sum(weights(folded.decode()).values()) == totals[mode] >= sum(map(len, held))


def test_what_is_given_back_at_once_is_found_with_its_bytes(start: Start) -> None:
    capture = start("churn").ask("heap", seconds=1, mode="temporary")
    total = weight_of(capture["folded"], "churned")
    # each is the bytearray's 100,001 bytes, and nothing else of the function is as large
    assert total % 100_001 <= 0.01 * total


class During(Span):
    """A profile of one piece of work, done by the thread that follows it."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work

    def begin(self) -> None:
        self._held = self._work()

    def over(self) -> bool:
        return True


def holder() -> bytearray:
    return bytearray(1_000_000)


def given_back() -> None:
    for _ in range(200):
        holder()


def one_after_the_other() -> list[bytearray]:
    """Three at the peak, of which one stays."""
    held = [holder() for _ in range(3)]
    return held[:1]


@pytest.mark.parametrize(
    ("mode", "work", "holders"),
    [
        ("temporary", given_back, 200),
        ("allocations", given_back, 200),
        ("leaks", given_back, 0),
        ("peak", given_back, 1),
        ("leaks", one_after_the_other, 1),
        ("peak", one_after_the_other, 3),
    ],
)
def test_each_holder_is_found_with_its_bytes_to_one_percent(
    mode: str, work: Callable[[], object], holders: int
) -> None:
    capture = Memray(None, 1 << 30).record(HeapRequest(60, mode), During(work), threading.Event())
    found = weight_of(capture.folded.decode(), "holder")
    assert found == pytest.approx(1_000_000 * holders, rel=0.01, abs=1)


def test_heap_trace_and_heap_again_in_one_process(start: Start) -> None:
    service = start("churn")
    assert service.ask("heap", seconds=0.2)["engine"] == "memray"
    assert service.ask("trace", seconds=0.2)["engine"] == "cProfile"
    assert service.ask("heap", seconds=0.2)["engine"] == "memray"
    assert service.leftovers() == []


def test_a_capture_that_grows_too_big_ends_early_and_says_so() -> None:
    request = HeapRequest(60, "allocations", small_objects=True)
    capture = Memray(None, limit=1000).record(request, Span(), threading.Event())
    assert capture.seconds < 60
    assert "the capture reached its limit" in capture.notes[0]


def test_without_a_place_for_its_file_it_is_refused() -> None:
    with pytest.raises(NoSpace, match="/nonexistent refused it"):
        Memray(Path("/nonexistent"), limit=1000).record(HeapRequest(1), Span(), threading.Event())


def test_a_disk_that_fills_up_ends_the_capture_and_is_told(start: Start) -> None:
    service = start("churn")
    mount = ["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", str(service.temp)]
    mounted = subprocess.run(mount, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no tmpfs could be mounted: {mounted.stderr.decode().strip()}")
    try:
        profile = service.send("heap", seconds=60, mode="allocations")
        until(lambda: service.ask("state")["holder"])
        (service.temp / "filler").write_bytes(bytes(75 << 20))
        ended = service.result(profile)
        assert "the disk that holds the capture is nearly full" in " ".join(ended["notes"])
        assert ended["seconds"] < 60
        refused = service.ask("heap", seconds=0.2)
        assert (refused["error"], "make room" in refused["message"]) == ("NoSpace", True)
        assert service.leftovers() == ["filler"]
        (service.temp / "filler").unlink()
        assert weight_of(service.ask("heap", seconds=0.5, mode="allocations")["folded"], "churned")
    finally:
        service.stop()
        subprocess.run(["umount", str(service.temp)], check=True)
