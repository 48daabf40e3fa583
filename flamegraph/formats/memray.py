"""Captures of memray, in bytes by stack. Needs the package memray, which is loaded when a capture is read.

Reading records is memray's work and takes most of the time; here a stack is taken apart once and not once a
record, and the text of a frame is made once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from flamegraph import frame
from flamegraph.errors import InputError, OptionError
from flamegraph.formats.options import Options
from flamegraph.profile import ROOT, Profile, TreeBuilder

if TYPE_CHECKING:
    from memray import AllocationRecord, FileReader

MODES = ("peak", "leaked", "temporary", "all")
NO_STACK = b"[no Python stack]"
_MAGIC = (b"memray", b"\x04\x22\x4d\x18")

#: Function, file and line.
Frame = tuple[str, str, int]
K = TypeVar("K", bound=Hashable)


def sniff(head: bytes) -> bool:
    """Whether it is a capture, as it is or compressed with LZ4."""
    return head.startswith(_MAGIC)


def read(stream: BinaryIO, options: Options) -> Profile:
    """The allocations of one mode: at the peak of memory, never freed, freed at once, or all there were.

    Raises OptionError for another mode; InputError when memray is missing, when the file is no capture, and
    for temporary or all allocations of a capture that holds sums only.
    """
    if options.mode not in MODES:
        raise OptionError(f"The mode {options.mode!r} is not known; choose one of {', '.join(MODES)}.")
    with _path_of(stream) as path:
        _check_magic(path)
        return _read(path, options.mode)


def _check_magic(path: str) -> None:
    with open(path, "rb") as file:  # noqa: PTH123 - no Path in hand
        head = file.read(8)
    if not sniff(head):
        raise InputError(
            f"The file is no capture of memray (it begins with {head!r}); name its format if it is another."
        )


def _read(path: str, mode: str) -> Profile:
    try:
        from memray import FileReader
    except ImportError as error:
        raise InputError("A capture of memray is read by the package memray; install memray.") from error
    try:
        with FileReader(path) as reader:
            allocations, profile = _tree(records(reader, mode))
    except NotImplementedError as error:
        raise InputError(
            f"The capture holds sums and not single allocations: {mode} allocations cannot be told "
            "from it. Ask for peak or leaked."
        ) from error
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"The capture cannot be read: {error}.") from error
    profile.metadata.update(mode=mode, allocations=str(allocations))
    return profile


def records(reader: FileReader, mode: str) -> Iterable[AllocationRecord]:
    """The records that a mode is about."""
    if mode == "peak":
        return reader.get_high_watermark_allocation_records(merge_threads=True)
    if mode == "leaked":
        return reader.get_leaked_allocation_records(merge_threads=True)
    if mode == "temporary":
        return reader.get_temporary_allocation_records(merge_threads=True, threshold=1)
    return reader.get_allocation_records()


def weigh(records: Iterable[AllocationRecord], key: Callable[[list[Frame]], K]) -> tuple[int, dict[K, int]]:
    """The number of allocations, and their bytes by `key` of their stack. Frees are records of no allocation.

    `key` gets a stack once, innermost frame first; stacks of the same key are added up.
    """
    from memray import AllocatorType

    frees = frozenset({AllocatorType.FREE, AllocatorType.MUNMAP, AllocatorType.PYMALLOC_FREE})
    keys: dict[int, K] = {}
    weights: dict[K, int] = {}
    allocations = 0
    for record in records:
        size = record.size
        if not size or record.allocator in frees:
            continue
        stack_id = record.stack_id
        found = keys.get(stack_id)
        if found is None:
            found = keys[stack_id] = key(record.stack_trace())
            weights.setdefault(found, 0)
        weights[found] += size
        allocations += record.n_allocations
    return allocations, weights


def _tree(records: Iterable[AllocationRecord]) -> tuple[int, Profile]:
    tree = TreeBuilder()
    names: dict[Frame, bytes] = {}

    def place(stack: list[Frame]) -> int:
        node = ROOT
        for called in reversed(stack):
            text = names.get(called)
            if text is None:
                text = names[called] = _name(*called)
            node = tree.child(node, text)
        return node or tree.child(ROOT, NO_STACK)

    allocations, weights = weigh(records, place)
    for node, weight in weights.items():
        tree.add(node, weight)
    return allocations, tree.build("bytes")


def _name(function: str, file: str, line: int) -> bytes:
    return frame.join(
        frame.Place(function.encode("utf-8", "surrogatepass"), file.encode("utf-8", "surrogatepass"), line)
    )


@contextmanager
def _path_of(stream: BinaryIO) -> Iterator[str]:
    """memray opens files by name; what has none is written to one."""
    import os
    import shutil
    import tempfile

    name = getattr(stream, "name", None)
    if isinstance(name, str) and os.path.isfile(name) and stream.tell() == 0:  # noqa: PTH113 - no Path in hand
        yield name
        return
    with tempfile.NamedTemporaryFile(prefix="flamegraph-", suffix=".memray") as file:
        shutil.copyfileobj(stream, file)
        file.flush()
        yield file.name
