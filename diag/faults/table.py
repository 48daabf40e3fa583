"""The results of a run as a table in text."""

from collections.abc import Sequence
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Row:
    """One fault. Times in seconds; ``recovered_in`` is None when the cluster did not recover.

    ``problems`` are sentences, one a broken promise; ``skipped`` is the reason why it was not run.
    """

    fault: str
    seconds: float = 0.0
    acked: int = 0
    unknown: int = 0
    longest_gap: float = 0.0
    lost: int = 0
    twice: int = 0
    stale: int = 0
    recovered_in: float | None = None
    problems: tuple[str, ...] = ()
    skipped: str = ""

    @property
    def verdict(self) -> str:
        """``pass``, ``FAIL`` or ``skipped``."""
        if self.skipped:
            return "skipped"
        return "FAIL" if self.problems else "pass"


_HEADS = [*(field.name for field in fields(Row) if field.name not in ("problems", "skipped")), "verdict"]


def render(rows: Sequence[Row]) -> str:
    """The table, then what went wrong and why faults were left out; a sentence when there are no rows."""
    if not rows:
        return "No fault was run.\n"
    cells = [[head.replace("_", " ") for head in _HEADS], *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEADS))]
    lines = [_line(line, widths) for line in cells]
    lines.insert(1, "  ".join("-" * width for width in widths))
    notes = [f"{row.fault}: {problem}" for row in rows for problem in row.problems]
    notes += [f"{row.fault} was skipped: {row.skipped}" for row in rows if row.skipped]
    return "\n".join([*lines, *([""] if notes else []), *notes]) + "\n"


def _cells(row: Row) -> list[str]:
    if row.skipped:
        return [row.fault, *[""] * (len(_HEADS) - 2), row.verdict]
    return [_cell(getattr(row, head)) for head in _HEADS]


def _cell(value: object) -> str:
    if value is None:
        return "never"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """The first and the last column to the left, figures to the right."""
    figures = [cell.rjust(width) for cell, width in zip(cells[1:-1], widths[1:-1], strict=True)]
    return "  ".join([cells[0].ljust(widths[0]), *figures, cells[-1]])
