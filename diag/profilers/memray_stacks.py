"""Records of memray as folded stacks, for the programs that read them."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from diag.profilers.frames import FrameNames, fold
from flamegraph.formats.memray import NO_STACK, Frame, weigh

if TYPE_CHECKING:
    from memray import AllocationRecord


class MemrayStacks:
    """Folds records, and remembers the names of frames from one time to the next."""

    def __init__(self) -> None:
        self._texts = _Texts()

    def folded(self, records: "Iterable[AllocationRecord]") -> tuple[int, bytes]:
        """The number of allocations, and their stacks weighted in bytes."""
        allocations, weights = weigh(records, self._line)
        return allocations, fold(weights)

    def _line(self, stack: list[Frame]) -> str:
        # a capture has a million frames and a thousand names: joined without a step of Python for each
        return ";".join(map(self._texts.__getitem__, reversed(stack))) or NO_STACK.decode()


class _Texts(dict[Frame, str]):
    """The text of each frame that was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self._names = FrameNames()

    def __missing__(self, frame: Frame) -> str:
        text = self[frame] = self._names.text(*frame)
        return text
