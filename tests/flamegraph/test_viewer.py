"""The viewer in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from flamegraph import Profile, render
from flamegraph.units import format_value
from tests.flamegraph.browser import drive

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

STACKS = [
    (("main", "parse", "lex"), 30),
    (("main", "parse", "tree", "lex"), 10),
    (("main", "draw", "parse"), 20),
    (("main", "draw"), 20),
    (("other",), 20),
]


@pytest.fixture(scope="module")
def svg() -> str:
    return render(Profile.from_stacks(STACKS))


def test_an_empty_picture_needs_no_script(tmp_path: Path) -> None:
    steps = 'return [document.querySelector(".none").textContent, input];'
    found = drive(render(Profile.from_stacks([])), steps, tmp_path)
    assert found == ["No samples: the profile is empty.", None]


def test_a_click_zooms_and_the_root_zooms_out(svg: str, tmp_path: Path) -> None:
    steps = """
    const before = box(frame("draw"));
    click(frame("draw"));
    const zoomed = {draw: box(frame("draw")), main: box(frame("main")), names: names(), status: say()};
    click(frame("all"));
    return {before, zoomed, after: box(frame("draw")), names: names().length};
    """
    found = drive(svg, steps, tmp_path)
    assert found["before"] == found["after"] == {"x": 10, "width": 472}
    assert found["zoomed"]["draw"] == found["zoomed"]["main"] == {"x": 10, "width": 1180}
    assert found["zoomed"]["names"] == ["all", "main", "draw", "parse"]
    assert found["zoomed"]["status"] == "draw (40 samples, 40.00%)"
    assert found["names"] == 9


def test_search_counts_weight_once_and_survives_bad_patterns(svg: str, tmp_path: Path) -> None:
    steps = """
    search("^(lex|parse)$");
    const one = [matched(), svg.querySelectorAll("rect.m").length, say()];
    search("LEX");
    const two = [matched(), svg.querySelectorAll("rect.m").length];
    search("le(");
    const three = [say(), input.getAttribute("aria-invalid")];
    key("Escape");
    return {one, two, three, four: [matched(), svg.querySelectorAll("rect.m").length, input.value]};
    """
    assert drive(svg, steps, tmp_path) == {
        "one": ["Matched: 60.00%", 4, "4 frames match, 60.00% of all"],
        "two": ["Matched: 0.00%", 0],
        "three": ["Not a regular expression: le(", "true"],
        "four": ["", 0, ""],
    }


def test_the_keyboard_does_what_the_mouse_does(svg: str, tmp_path: Path) -> None:
    steps = """
    const said = [];
    const press = (k) => { key(k); said.push(say().split(" (")[0]); };
    ["ArrowUp", "ArrowRight", "ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown", "ArrowUp"].forEach(press);
    press("Enter");
    const zoomed = names();
    const ring = svg.querySelector(".ring").classList.contains("off");
    key("Escape");
    key("/");
    const searching = document.activeElement === input;
    search("lex");
    key("Enter", input);
    const first = say();
    key("n");
    const second = say();
    key("N");
    return {said, zoomed, ring, searching, first, second, back: say(), all: names().length};
    """
    found = drive(svg, steps, tmp_path)
    assert found["said"] == ["main", "other", "main", "draw", "parse", "main", "draw", "draw"]
    assert found["zoomed"] == ["all", "main", "draw", "parse"]
    assert found["ring"] is False
    assert found["searching"] is True
    assert found["first"].startswith("lex (")
    assert found["second"].startswith("lex (")
    assert {found["first"], found["second"]} == {
        "lex (30 samples, 30.00%), self 30.00%",
        "lex (10 samples, 10.00%), self 10.00%",
    }
    assert found["back"] == found["first"]
    assert found["all"] == 9


def test_hover_tells_the_frame(svg: str, tmp_path: Path) -> None:
    steps = 'hover(frame("draw")); return [say(), frame("draw").querySelector("title").textContent];'
    assert drive(svg, steps, tmp_path) == [
        "draw (40 samples, 40.00%), self 20.00%",
        "draw (40 samples, 40.00%)",
    ]


def test_roles_for_assistive_technology(svg: str, tmp_path: Path) -> None:
    steps = """return [svg.getAttribute("role"), svg.getAttribute("tabindex"),
      input.getAttribute("aria-label"), svg.querySelector(".status").getAttribute("aria-live")];"""
    assert drive(svg, steps, tmp_path) == [
        "application",
        "0",
        "Search frames by regular expression",
        "polite",
    ]


def test_names_are_text_and_labels_fit(tmp_path: Path) -> None:
    names = ["<img src=x>" * 20, "日本語" * 40, "ﷺ" * 40, "👩‍👩‍👧‍👦" * 30, "&amp;]]></script>", "W" * 300]
    svg = render(Profile.from_stacks([((name, name), 10 + i) for i, name in enumerate(names)]))
    steps = """
    const over = [];
    for (const g of rows()) for (const t of g.querySelectorAll("text")) {
      if (t.classList.contains("off")) continue;
      const end = +t.getAttribute("x") + t.getComputedTextLength();
      const holder = Array.from(g.querySelectorAll("rect")).find(
        (r) => Math.abs(+r.getAttribute("x") + 3 - t.getAttribute("x")) < 0.05);
      if (end > box(holder).x + box(holder).width) over.push([t.textContent, end, box(holder)]);
    }
    rects().forEach(hover);
    return {over, images: document.querySelectorAll("img,image").length, labels: labels().length};
    """
    assert drive(svg, steps, tmp_path) == {"over": [], "images": 0, "labels": 13}


@pytest.mark.parametrize("unit", ["samples", "bytes", "microseconds"])
def test_values_read_as_in_the_static_picture(unit: str, tmp_path: Path) -> None:
    values = [1, 999, 1000, 1023, 1024, 1536, 10_240, 123_456, 9_999_999, 1 << 33, 1 << 52]
    svg = render(Profile.from_stacks([((f"f{i}",), v) for i, v in enumerate(values)], unit), min_width=0)
    steps = """
    for (const title of svg.querySelectorAll("rect title")) title.remove();
    rects().forEach(hover);
    return rects().map((r) => r.querySelector("title").textContent);
    """
    told = drive(svg, steps, tmp_path)
    for i, value in enumerate(values):
        assert any(title.startswith(f"f{i} ({format_value(value, unit)},") for title in told), (value, told)
