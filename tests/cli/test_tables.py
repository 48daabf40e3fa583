from diag.cli.tables import aligned


def test_no_rows_are_no_lines() -> None:
    assert aligned([]) == []
    assert aligned([[]]) == [""]


def test_columns_are_as_wide_as_their_widest_word_and_lines_end_with_the_last() -> None:
    assert aligned([["a", "bb"], ["ccc", "d", "e"], ["f"]], gap="  ") == ["a    bb", "ccc  d   e", "f"]
