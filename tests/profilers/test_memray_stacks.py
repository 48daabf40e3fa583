from collections.abc import Sequence
from pathlib import Path
from typing import Any

import memray
import pytest

from diag.profilers.memray_stacks import MemrayStacks
from tests.profilers.conftest import weight_of, weights

HELD = 30_000_000


class Record:
    """One of memray's, as far as it is read."""

    allocator = memray.AllocatorType.MALLOC

    def __init__(self, size: int, stack_id: int, stack: Sequence[tuple[str, str, int]]) -> None:
        self.size = size
        self.n_allocations = 1
        self.stack_id = stack_id
        self._stack = stack

    def stack_trace(self) -> list[tuple[str, str, int]]:
        return list(self._stack)


def planted() -> bytearray:
    return bytearray(HELD)


def outer() -> bytearray:
    return planted()


def folded(*records: Any) -> tuple[int, bytes]:
    return MemrayStacks().folded(records)


def test_no_records_fold_to_nothing() -> None:
    assert folded() == (0, b"")


def test_a_capture_gives_the_bytes_of_its_stacks_root_first(tmp_path: Path) -> None:
    with memray.Tracker(tmp_path / "capture.bin"):
        held = [outer(), planted()]
    stacks = MemrayStacks()
    with memray.FileReader(tmp_path / "capture.bin") as reader:
        allocations, first = stacks.folded(reader.get_leaked_allocation_records(merge_threads=True))
        again = stacks.folded(reader.get_leaked_allocation_records(merge_threads=True))
    assert again == (allocations, first)
    assert allocations >= len(held)
    text = first.decode()
    assert weight_of(text, "planted") == pytest.approx(2 * HELD, rel=0.001)
    [within] = [stack for stack in weights(text) if "outer (" in stack]
    assert within.index("outer (tests/profilers/test_memray_stacks.py:") < within.index("planted (")


def test_records_of_one_stack_are_one_line() -> None:
    inner, root = ("inner", "/nowhere/a.py", 2), ("root", "/nowhere/a.py", 1)
    assert folded(Record(5, 7, [inner, root]), Record(6, 7, [inner, root]), Record(1, 8, [root])) == (
        3,
        b"root (a.py:1);inner (a.py:2) 11\nroot (a.py:1) 1\n",
    )


def test_what_no_line_of_python_asked_for_has_a_name_too() -> None:
    assert folded(Record(9, 0, [])) == (1, b"[no Python stack] 9\n")


def test_what_is_given_back_is_no_allocation() -> None:
    freed = Record(9, 0, [])
    freed.allocator = memray.AllocatorType.FREE
    assert folded(freed, Record(0, 1, [("f", "a.py", 1)])) == (0, b"")


def test_a_name_cannot_break_its_line() -> None:
    assert folded(Record(4, 1, [("f;g\nh", "<string>", 3)])) == (1, b"f:g h (<string>:3) 4\n")
