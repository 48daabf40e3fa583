from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flamegraph import OptionError, Profile
from flamegraph.html import render_html
from tests.flamegraph.comparisons import Pair, small
from tests.flamegraph.test_svg import PLAIN, anything

VOID = {"meta"}


class Page(HTMLParser):
    """Elements in order, the cells of the table, and whether every element is closed in its turn."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.rows: list[list[str]] = []
        self.attributes: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += [name for name, _ in attrs]
        if tag not in VOID:
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def test_an_empty_profile_has_a_page_without_a_table() -> None:
    page = Page(render_html(Profile.from_stacks([])))
    assert "table" not in page.elements
    assert "svg" in page.elements


def test_the_hottest_functions_stand_in_a_table() -> None:
    stacks = [(("main", "work", "main"), 3), (("main",), 1)]
    assert Page(render_html(Profile.from_stacks(stacks))).rows == [
        ["Function", "Self", "Self %", "Total", "Total %"],
        ["main", "4 samples", "100.00%", "4 samples", "100.00%"],
        ["work", "0 samples", "0.00%", "3 samples", "75.00%"],
    ]


def test_the_number_of_rows_is_asked_for() -> None:
    profile = Profile.from_stacks([((f"f{i}",), i + 1) for i in range(50)])
    assert len(Page(render_html(profile, rows=7)).rows) == 8
    assert "table" not in Page(render_html(profile, rows=0)).elements
    with pytest.raises(OptionError, match="0 or more"):
        render_html(profile, rows=-1)


def test_a_comparison_has_both_sides_in_its_table() -> None:
    rows = Page(render_html(small(), rows=2)).rows
    assert rows[0][:4] == ["Function", "Self before", "Self now", "Self points"]
    assert rows[1] == ["deep", "30.00%", "0.00%", "-30.00", "30.00%", "0.00%", "-30.00"]
    assert rows[2][:4] == ["grown", "20.00%", "40.00%", "+20.00"]


def test_title_subtitle_and_notes_stand_once_in_the_page() -> None:
    page = render_html(Profile.from_stacks(PLAIN), title="T<1>", subtitle="S&S", notes=["one"])
    assert "<h1>T&lt;1&gt;</h1>" in page
    assert page.count("S&amp;S") == 1
    assert page.count("<p>one</p>") == 1


@pytest.mark.parametrize(
    ("script", "allowed", "inline"),
    [("none", "script-src 'none';", 0), ("/viewer.js", "script-src 'self' 'sha256-", 1)],
)
def test_scripts_may_stay_outside_or_away(script: str, allowed: str, inline: int) -> None:
    page = render_html(Profile.from_stacks(PLAIN), script=script)
    assert allowed in page
    assert page.count("<script>") == inline


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.lists(anything, min_size=1, max_size=4), st.integers(1, 9)), min_size=2, max_size=4
    ),
    anything,
    st.booleans(),
)
def test_no_text_adds_an_element(stacks: list[tuple[list[str], int]], text: str, comparison: bool) -> None:
    subject = Pair(stacks[:2], stacks[1:]) if comparison else Profile.from_stacks(stacks)
    page = Page(render_html(subject, title=text, subtitle=text or "-", notes=[text]))
    assert page.elements.count("script") == 3
    assert page.elements.count("h1") == page.elements.count("body") == page.elements.count("svg") == 1
    assert not [name for name in page.attributes if name.startswith("on") or name == "style"]
    known = {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "header",
        "h1",
        "h2",
        "p",
        "main",
        "div",
        "svg",
    }
    known |= {"desc", "rect", "g", "path", "text", "script", "defs", "pattern", "region", "table", "caption"}
    assert set(page.elements) <= known | {"thead", "tbody", "tr", "th", "td"}
