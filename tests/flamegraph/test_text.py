from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flamegraph.text import cells, clean, escape, fit, shown_name, wrap


def test_empty_text() -> None:
    assert (clean(""), escape(""), fit("", 0), wrap("", 20)) == ("", "", "", [])


def test_characters_xml_forbids_are_replaced() -> None:
    assert clean("a\x00b\x1b\ud800\ufffe\uffff\t\n") == "a\ufffdb\ufffd\ufffd\ufffd\ufffd\t\n"
    assert clean("\u202eevil\u202c \u2066a\u2069") == "\ufffdevil\ufffd \ufffda\ufffd"


@given(st.text(st.characters()))
def test_escaped_text_survives_xml(text: str) -> None:
    assert (ElementTree.fromstring(f"<a>{escape(text)}</a>").text or "") == clean(text)
    assert ElementTree.fromstring(f'<a b="{escape(text)}"/>') is not None


@pytest.mark.parametrize(
    ("name", "shown"), [("do_work_[k]", "do_work"), ("f_[j]_[k]", "f_[j]"), ("f_[x]", "f_[x]"), ("", "")]
)
def test_kinds_are_not_part_of_the_name_shown(name: str, shown: str) -> None:
    assert shown_name(name) == shown


def test_cells_count_columns() -> None:
    assert (cells("abc"), cells("日本"), cells("e\u0301"), cells("🔥")) == (3, 4, 1, 2)


@pytest.mark.parametrize(
    ("text", "room", "shown"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdef", 5, "abcd…"),
        ("abcdef", 2.9, ""),
        ("ab", 2, "ab"),
        ("日本語", 5, "日本…"),
    ],
)
def test_text_is_shortened_at_its_end(text: str, room: float, shown: str) -> None:
    assert fit(text, room) == shown


@given(st.text(), st.floats(0, 50))
def test_what_fits_is_never_wider_than_the_room(text: str, room: float) -> None:
    assert cells(fit(text, room)) <= room


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf"])), st.integers(10, 60))
def test_wrapping_loses_nothing_but_spaces(text: str, room: int) -> None:
    lines = wrap(text, room)
    assert all(cells(line) <= room for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_a_name_nobody_could_read_is_cut() -> None:
    assert len(shown_name("x" * 10_000_000)) == 2000


@pytest.mark.parametrize("text", ["x" * 10_000_000, "日" * 3_000_000, "e" + "\u0301" * 3_000_000])
def test_text_of_any_length_is_fitted_by_its_head(text: str) -> None:
    assert cells(fit(text, 20)) <= 20
