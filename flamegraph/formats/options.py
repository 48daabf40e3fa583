"""What a reader can be asked for."""

from __future__ import annotations

from flamegraph.record import Record


class Options(Record):
    """Options of all readers; each format's entry in the table names those it knows.

    unit         what the weights are, for formats that do not say so themselves
    sample_type  which kind of weight or which profile of several, by name or by index
    labels       labels of samples that become frames, outermost first
    mode         which allocations: peak, leaked, temporary or all
    threads      whether frames that name a process or a thread are kept
    """

    unit: str | None = None
    sample_type: str | int | None = None
    labels: tuple[str, ...] = ()
    mode: str = "peak"
    threads: bool = True
