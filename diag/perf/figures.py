"""One measured figure beside its target, and the table of them."""

from collections.abc import Iterable
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
