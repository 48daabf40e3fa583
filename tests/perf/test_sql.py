"""The workload as data."""

import pytest

from diag.perf.sql import Statement, complaint, script


def test_nothing_expected_is_met_by_success() -> None:
    assert complaint(Statement("select 1"), ["1"], None) is None


@pytest.mark.parametrize(
    ("statement", "rows", "error", "said"),
    [
        (Statement("q", ("1",)), ["2"], None, "had to give ['1'], and gave ['2']"),
        (Statement("q", ()), ["2"], None, "had to give [], and gave ['2']"),
        (Statement("q", ("1",)), [], "Unknown", "failed: Unknown"),
        (Statement("q", None, "Unknown"), ["1"], None, "had to fail with 'Unknown'"),
        (Statement("q", None, "Unknown"), [], "Exists", "had to fail with 'Unknown', and came to 'Exists'"),
    ],
)
def test_any_difference_is_a_sentence(
    statement: Statement, rows: list[str], error: str | None, said: str
) -> None:
    assert said in str(complaint(statement, rows, error))


def test_the_expected_refusal_is_no_complaint() -> None:
    assert complaint(Statement("q", None, "Unknown"), [], "Error: UnknownTable") is None


def test_the_script_covers_a_catalogue() -> None:
    statements = script("p")
    assert len(statements) >= 60
    text = "\n".join(statement.sql for statement in statements)
    kinds = (
        "create database",
        "create table",
        "insert into",
        "update ",
        "delete from",
        "create view",
        "create user",
        "create role",
        "grant ",
        "create stage",
        "create function",
        "set global",
        "show ",
        "desc ",
        "system.",
    )
    assert [kind for kind in kinds if kind not in text] == []


def test_most_results_are_known() -> None:
    statements = script("p")
    known = [statement for statement in statements if statement.rows is not None or statement.error]
    assert len(known) / len(statements) > 0.8


def test_scripts_of_different_prefixes_share_no_database() -> None:
    assert all("alpha" not in statement.sql for statement in script("beta"))
