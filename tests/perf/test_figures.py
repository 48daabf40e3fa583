"""Figures beside their targets."""

import io

import pytest
from rich.console import Console

from diag.perf.figures import Figure, quartiles, table


def drawn(*figures: Figure) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(table(figures))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_no_figures_is_a_head_alone() -> None:
    assert "measured" in drawn()


@pytest.mark.parametrize(
    ("figure", "met"),
    [
        (Figure("a", 2.0, "<=", 2.0), True),
        (Figure("a", 2.1, "<=", 2.0), False),
        (Figure("a", 0.93, ">=", 0.93), True),
        (Figure("a", 0.92, ">=", 0.93), False),
    ],
)
def test_a_target_is_met_on_its_own_side(figure: Figure, met: bool) -> None:
    assert figure.met is met
    assert ("met" if met else "missed") in drawn(figure)


def test_units_and_large_values_are_written_out() -> None:
    text = drawn(Figure("log", 51234.6, ">=", 40_000, "commands/s", "0.6 of bare"))
    assert "51,235 commands/s" in text
    assert ">= 40,000 commands/s" in text
    assert "0.6 of bare" in text


def test_quartiles() -> None:
    assert quartiles([3.0]) == (3.0, 3.0)
    assert quartiles([1.0, 2.0, 3.0, 4.0, 5.0]) == (2.0, 4.0)
