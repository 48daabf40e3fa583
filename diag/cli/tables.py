"""Rows of words in columns, the same on a terminal and in a file."""

from collections.abc import Iterable, Sequence


def aligned(rows: Iterable[Sequence[str]], gap: str = " ") -> list[str]:
    """Each row as a line, every word as wide as the widest of its column; no spaces at the end."""
    rows = list(rows)
    columns = max((len(row) for row in rows), default=0)
    widths = [max((len(row[at]) for row in rows if at < len(row)), default=0) for at in range(columns)]
    lines = (gap.join(word.ljust(width) for word, width in zip(row, widths, strict=False)) for row in rows)
    return [line.rstrip() for line in lines]
