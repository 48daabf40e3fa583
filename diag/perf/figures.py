"""One measured figure beside its target, and the table of them."""

from collections.abc import Iterable, Sequence
from statistics import quantiles
from typing import Literal, NamedTuple

from rich.table import Table


class Figure(NamedTuple):
    """``value`` and ``target`` in ``unit`` (empty: a ratio); ``detail`` is what the value was made of."""

    name: str
    value: float
    bound: Literal["<=", ">="]
    target: float
    unit: str = ""
    detail: str = ""

    @property
    def met(self) -> bool:
        """Whether the value is on the right side of its target."""
        return self.value <= self.target if self.bound == "<=" else self.value >= self.target


def table(figures: Iterable[Figure]) -> Table:
    """The figures as rows: name, value, target, verdict, detail."""
    drawn = Table(box=None, header_style="bold")
    for title in ("figure", "measured", "target", "", "made of"):
        drawn.add_column(title, justify="right" if title in ("measured", "target") else "left")
    for figure in figures:
        unit = f" {figure.unit}" if figure.unit else ""
        drawn.add_row(
            figure.name,
            f"{figure.value:.4g}{unit}" if figure.value < 10_000 else f"{figure.value:,.0f}{unit}",
            f"{figure.bound} {figure.target:,g}{unit}",
            "[green]met[/]" if figure.met else "[red]missed[/]",
            figure.detail,
        )
    return drawn


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """The first and third quartile; of a single value, that value."""
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = quantiles(values, n=4, method="inclusive")
    return low, high
