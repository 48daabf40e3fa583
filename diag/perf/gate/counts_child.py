"""The counted process: kernels of a side's own packages, each between two marks that the counter sees.

``python -P counts_child.py PARENT LAYOUT KERNEL...`` is run by its path, so that both sides do the same,
whether or not their package has this file. A kernel runs before its first mark too: what is imported, cached
or specialised once is not counted. Nothing in it depends on time or on chance. A line on standard output says
of each kernel ``ok`` or what it failed with. A kernel's name may have a number after it, ``codec+100``: so
many turns of an empty loop are counted with it, to see whether they are found.

Where things happen to lie in memory moves a count by a few thousandths: the least over a few layouts decides.
"""

import ctypes
import gc
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from itertools import repeat

#: C functions that nothing else calls: the counter starts anew before the first, and ends before the second.
BEGIN, END = "getpgrp", "getsid"
#: The variable with the paths of two pipes, where another counter is told when to begin and to end.
CONTROL = "COUNTS_CONTROL"

_PR_SET_PDEATHSIG = 1
_WARM_UPS = 2
_SHIFT = 20

Kernel = Callable[[], object]


def apply() -> Kernel:
    """Upserts, as the log gives them to the state machine, in one transaction of the store."""
    from diag.kv.apply import apply as apply_command
    from diag.kv.commands import MatchSeq, Upsert

    write = _writing("apply")
    commands = [Upsert(f"gate/{number % 40:04}", MatchSeq(), b"v" * 100) for number in range(150)]

    def kernel() -> None:
        with write() as txn:
            for command in commands:
                apply_command(txn, command, 1)

    return kernel


def transaction() -> Kernel:
    """Transactions of a compare, two writes and a read."""
    from diag.kv.apply import apply as apply_command
    from diag.kv.commands import Branch, Compare, Get, Predicate, Put, SeqIs, Transaction

    write = _writing("transaction")

    def command(key: str) -> Transaction:
        met = Predicate(conditions=(SeqIs(key, Compare.GE, 0),))
        writes = Put(key, b"v" * 100), Put(f"{key}/meta", b"v" * 20), Get(key)
        return Transaction((Branch(met, writes), Branch(None, (Get(key),))))

    commands = [command(f"gate/{number % 40:04}") for number in range(60)]

    def kernel() -> None:
        with write() as txn:
            for each in commands:
                apply_command(txn, each, 1)

    return kernel


def codec() -> Kernel:
    """Records to their stored form and back."""
    from diag.kv.codec import decode, encode
    from diag.kv.records import Record

    records = [
        Record(seq, b"v" * (seq % 200), 1_000 + seq if seq % 3 else None, seq if seq % 2 else None)
        for seq in range(1, 1_001)
    ]

    def kernel() -> None:
        for record in records:
            decode(encode(record))

    return kernel


def svg() -> Kernel:
    """Folded stacks to a picture."""
    from flamegraph import read_folded, render

    return lambda: render(read_folded(io.BytesIO(_folded())))


def pprof() -> Kernel:
    """A profile to pprof's form."""
    from flamegraph import read_folded, write

    profile = read_folded(io.BytesIO(_folded()))
    return lambda: write(profile, io.BytesIO(), "pprof")


KERNELS = {kernel.__name__: kernel for kernel in (apply, transaction, codec, svg, pprof)}


def _writing(name: str):  # type: ignore[no-untyped-def]
    """A fresh store's write transactions."""
    from pathlib import Path

    from diag.kv.store import Store

    return Store.open(Path(name), map_size=1 << 26, sync=False).write


def _folded() -> bytes:
    """Folded stacks of 150 different shapes."""
    return b"\n".join(_stack(number) for number in range(150))


def _stack(number: int) -> bytes:
    depth = 3 + number * 7 % 11
    frames = (
        f"function_{number // (1 + 12 // (level + 1)) % 6 + 6 * level} (module_{level}.py)"
        for level in range(depth)
    )
    return f"{';'.join(frames)} {1 + number * 37 % 100}".encode()


def _shifted(layout: int) -> list[object]:
    """Strings and classes that move all later ones, to be kept."""
    kept: list[object] = []
    for number in range(_SHIFT * layout):
        made = type(f"Shift{number}", (), {"name": None})
        kept += [made, getattr(made, "name"), sys.intern(f"shift {number}")]  # noqa: B009 - the lookup counts
    return kept


def _end_with(parent: int) -> None:
    """When the counting process is killed, nobody else would end this. 0: another process stands between."""
    if not parent:
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent ended before its child could ask for its own end")


def _marks() -> tuple[Callable[[], object], Callable[[], object]]:
    """What is called before a kernel and after it."""
    control = os.environ.get(CONTROL)
    if not control:
        return os.getpgrp, lambda: os.getsid(0)
    to, back = (os.open(path, os.O_RDWR) for path in control.split(","))

    def say(word: bytes) -> None:
        os.write(to, word)
        os.read(back, 16)

    return lambda: say(b"enable\n"), lambda: say(b"disable\n")


def _with_more(kernel: Kernel, turns: int) -> Kernel:
    def more() -> None:
        kernel()
        for _ in repeat(None, turns):  # numbers would be made and freed, and leave their place to the kernel
            pass

    return more


def _run(kernels: list[str]) -> Iterator[str]:
    begin, end = _marks()
    for name in kernels:
        name, _, turns = name.partition("+")
        try:
            kernel = _with_more(KERNELS[name](), int(turns or 0))
            for _ in range(_WARM_UPS):
                kernel()
        except Exception as error:  # noqa: BLE001 - whatever a version of the packages does
            yield f"{type(error).__name__}: {error}".replace("\n", " ")
            continue
        begin()
        kernel()
        end()
        yield "ok"


def main() -> None:
    """Run each kernel of the arguments, at last to be counted."""
    _end_with(int(sys.argv[1]))
    kept = _shifted(int(sys.argv[2]))
    gc.disable()
    for line in _run(sys.argv[3:]):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    del kept


if __name__ == "__main__":
    main()
