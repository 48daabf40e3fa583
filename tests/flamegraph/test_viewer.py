"""The viewer in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from flamegraph import Profile
from flamegraph.palettes import DARK, LIGHT
from flamegraph.svg import render
from flamegraph.units import format_value
from tests.flamegraph import browser
from tests.flamegraph.browser import drive
from tests.flamegraph.comparisons import small

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

STACKS = [
    (("main", "parse", "lex"), 30),
    (("main", "parse", "tree", "lex"), 10),
    (("main", "draw", "parse"), 20),
    (("main", "draw"), 20),
    (("other",), 20),
]
EVERY = ["all", "main", "other", "draw", "parse", "parse", "lex", "tree", "lex"]


@pytest.fixture(scope="module")
def svg() -> str:
    return render(Profile.from_stacks(STACKS))


def rgb(color: str) -> str:
    return f"rgb({', '.join(str(int(color[at : at + 2], 16)) for at in (1, 3, 5))})"


def test_an_empty_picture_needs_no_script(tmp_path: Path) -> None:
    steps = 'return [document.querySelector(".none").textContent, input];'
    found = drive(render(Profile.from_stacks([])), steps, tmp_path)
    assert found == ["No samples: the profile is empty.", None]


def test_a_click_zooms_and_the_root_zooms_out(svg: str, tmp_path: Path) -> None:
    steps = """
    const before = frame("draw");
    click(frame("draw"));
    const zoomed = {draw: frame("draw"), main: frame("main"), names: names(), status: say()};
    click(frame("all"));
    return {before, zoomed, after: frame("draw"), names: names()};
    """
    found = drive(svg, steps, tmp_path)
    assert found["before"] == found["after"]
    assert (found["before"]["x"], found["before"]["width"]) == (0, 471.4)
    assert found["zoomed"]["draw"]["width"] == found["zoomed"]["main"]["width"] == 1179.4
    assert found["zoomed"]["names"] == ["all", "main", "draw", "parse"]
    assert found["zoomed"]["status"] == "draw (40 samples, 40.00%)"
    assert found["names"] == EVERY


@pytest.mark.parametrize("direction", ["flame", "icicle"])
def test_the_viewer_draws_what_the_static_picture_shows(direction: str, tmp_path: Path) -> None:
    stacks = [((f"a{i % 7}", f"b{i % 31}", f"c{i}"), 1 + i % 13) for i in range(300)]
    svg = render(Profile.from_stacks(stacks), direction=direction, min_width=1.5)
    steps = """
    const order = (all) => all.map((s) => [s.line, s.x, s.width, s.kind].join()).sort();
    const place = (t) => [t.textContent, t.getAttribute("x"), t.getAttribute("y")].join();
    const places = () => labels().map(place);
    const before = [order(strokes()), places().sort()];
    search("nothing like that");
    return [before, [order(strokes()), places().sort()]];
    """
    before, after = drive(svg, steps, tmp_path)
    assert len(before[0]) > 100
    assert before == after


def test_search_counts_weight_once_and_survives_bad_patterns(svg: str, tmp_path: Path) -> None:
    steps = """
    search("^(lex|parse)$");
    const one = [matched(), hits(), say()];
    search("LEX");
    const two = [matched(), hits()];
    search("le(");
    const three = [say(), input.getAttribute("aria-invalid")];
    key("Escape");
    return {one, two, three, four: [matched(), hits(), input.value]};
    """
    assert drive(svg, steps, tmp_path) == {
        "one": ["Matched: 60.00%", 4, "4 frames match, 60.00% of all"],
        "two": ["Matched: 0.00%", 0],
        "three": ["Not a regular expression: le(", "true"],
        "four": ["", 0, ""],
    }


HOSTILE = [
    "(a+)+$",
    "(a|a)*$",
    "(a|aa)+$",
    "((a)*)*$",
    "(?:a*b?)*$",
    "(a+){20}$",
    "^(a?){30}a{30}$",
    "a?" * 30 + "a" * 30,
    "(a|b)" * 30,
    r"(a*)\1\1$",
    "a*a*a*a*a*a*a*a*$",
    "(?<x>a+)+$",
    "(?=(a+))+b",
    "x" * 2000,
]
COSTLY = [".*.*.*.*x", "a*a*a*b", "(.*)(.*)(.*)y", "a{1,}a{1,}b", "a*?a*?a*?c"]
HARMLESS = ["aaa", "^a+!$", "(a|b)c?", "[(+*]+x", r"\(a\+\)\+", "a{3}", "a|b|c|d|e|f|g|h|i|j|k|l", "{", "a.b"]


def test_no_pattern_holds_the_page_up(tmp_path: Path) -> None:
    names = ["a" * 1500 + "!", *("a" * 40 + str(i) for i in range(500))]
    svg = render(Profile.from_stacks([((name,), 10) for name in names]))
    steps = f"""
    const told = [];
    for (const pattern of {[*HOSTILE, *COSTLY, *HARMLESS]!r}) {{
      const start = performance.now();
      search(pattern);
      told.push([pattern, performance.now() - start, say().slice(0, 9), input.getAttribute("aria-invalid")]);
    }}
    return told;
    """
    for pattern, milliseconds, told, invalid in drive(svg, steps, tmp_path):
        assert (told == "Not tried") == (pattern in HOSTILE), pattern
        assert (invalid == "true") == (pattern in HOSTILE), pattern
        assert milliseconds < 3000, pattern


@pytest.mark.parametrize("direction", ["flame", "icicle"])
def test_the_keyboard_does_what_the_mouse_does(direction: str, tmp_path: Path) -> None:
    inwards, outwards = ("ArrowUp", "ArrowDown") if direction == "flame" else ("ArrowDown", "ArrowUp")
    steps = f"""
    const said = [];
    const press = (k) => {{ key(k); said.push(say().split(" (")[0]); }};
    const inwards = "{inwards}", outwards = "{outwards}";
    [inwards, "ArrowRight", "ArrowLeft", inwards, "ArrowRight", outwards, inwards].forEach(press);
    press("Enter");
    const zoomed = names();
    const ring = svg.querySelector(".ring:not(.hover)").classList.contains("off");
    const box = tip();
    key("Escape");
    key("/");
    const searching = document.activeElement === input;
    search("lex");
    key("Enter", input);
    const first = say(), moved = document.activeElement === graph;
    key("n");
    const second = say();
    key("N");
    const back = say();
    key("Home");
    return {{said, zoomed, ring, box, searching, first, moved, second, back, home: say(), all: names()}};
    """
    found = drive(render(Profile.from_stacks(STACKS), direction=direction), steps, tmp_path)
    assert found["said"] == ["main", "other", "main", "draw", "parse", "main", "draw", "draw"]
    assert found["zoomed"] == ["all", "main", "draw", "parse"]
    assert found["ring"] is False
    assert found["box"] == ["draw", "40 samples, 40.00%", "self 20 samples, 20.00%"]
    assert found["searching"] is True
    assert found["moved"] is True
    assert [found["first"], found["second"]] == [
        "lex (30 samples, 30.00%), self 30.00%",
        "lex (10 samples, 10.00%), self 10.00%",
    ]
    assert found["back"] == found["first"]
    assert found["home"].startswith("all (")
    assert found["all"] == EVERY


def test_hover_tells_the_frame_and_leaves_the_status_alone(svg: str, tmp_path: Path) -> None:
    steps = """
    const before = say();
    hover(frame("draw"));
    const over = [tip(), svg.querySelector(".hover").classList.contains("off")];
    graph.dispatchEvent(new PointerEvent("pointerleave"));
    return {over, gone: svg.querySelector(".tip").classList.contains("off"), same: say() === before};
    """
    assert drive(svg, steps, tmp_path) == {
        "over": [["draw", "40 samples, 40.00%", "self 20 samples, 20.00%"], False],
        "gone": True,
        "same": True,
    }


def test_the_address_holds_zoom_and_search_by_names(svg: str, tmp_path: Path) -> None:
    steps = """
    const at = [location.hash];
    const step = (act) => { act(); at.push(location.hash); };
    step(() => click(frame("parse")));
    step(() => search("l.x|a b"));
    step(() => click(frame("main")));
    history.back();
    await new Promise((done) => addEventListener("popstate", done, {once: true}));
    at.push(location.hash, names().join());
    step(() => key("Escape"));
    return at;
    """
    assert drive(svg, steps, tmp_path) == [
        "",
        "#z=main;parse",
        "#z=main;parse&s=l.x%7Ca%20b",
        "#z=main&s=l.x%7Ca%20b",
        "#z=main;parse&s=l.x%7Ca%20b",
        "all,main,parse,lex,tree,lex",
        "",
    ]


STATE = "return {names: names(), zoomed: say(), matched: matched(), value: input.value, hits: hits()};"


def test_an_address_brings_its_state_back(svg: str, tmp_path: Path) -> None:
    found = drive(svg, STATE, tmp_path, address="#z=main;parse&s=lex")
    assert found["names"] == ["all", "main", "parse", "lex", "tree", "lex"]
    assert (found["value"], found["hits"], found["matched"]) == ("lex", 2, "Matched: 40.00%")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("#z=main;nowhere;lex", ["all", "main", "draw", "parse", "parse", "lex", "tree", "lex"]),
        ("#z=%E0%A4%A;x", EVERY),
        ("#s=%28%28", EVERY),
        ("#__proto__=1&z", EVERY),
        (
            "#" + "z=" + ";".join(["main"] * 5000),
            ["all", "main", "draw", "parse", "parse", "lex", "tree", "lex"],
        ),
    ],
)
def test_an_address_that_does_not_fit_is_followed_as_far_as_it_does(
    svg: str, tmp_path: Path, address: str, shown: list[str]
) -> None:
    assert drive(svg, STATE, tmp_path, address=address)["names"] == shown


def test_any_name_can_stand_in_an_address(tmp_path: Path) -> None:
    names = ["a;b", "a$2", "50%", "x&s=y", "#", "é 日本", "f", "f_[k]", " ", "=", "", "\u202ex"]
    svg = render(Profile.from_stacks([((name, f"in {i}"), 10 + i) for i, name in enumerate(names)]))
    steps = f"""
    const wrong = [];
    for (let i = 0; i < {len(names)}; i += 1) {{
      const mine = labels().find((t) => t.textContent === "in " + i);
      click(holder(mine));
      const hash = location.hash, shown = names().join("|");
      key("Escape");
      const followed = new Promise((done) => addEventListener("popstate", done, {{once: true}}));
      location.hash = hash;
      await followed;
      if (names().join("|") !== shown || !shown.endsWith("in " + i)) wrong.push([hash, shown, names()]);
      key("Escape");
    }}
    return wrong;
    """
    assert drive(svg, steps, tmp_path) == []


def test_the_readers_preference_decides_on_the_theme(svg: str, tmp_path: Path) -> None:
    steps = (
        'return [color(svg.querySelector(".bg")), color(labels()[0]), color(svg.querySelector(".title"))];'
    )
    light = drive(svg, steps, tmp_path / "light")
    dark = drive(svg, steps, tmp_path / "dark", browser.DARK)
    assert light == [rgb(LIGHT.background), rgb(LIGHT.label), rgb(LIGHT.text)]
    assert dark == [rgb(DARK.background), rgb(DARK.label), rgb(DARK.text)]


@pytest.mark.parametrize("width", [500, 1700])
def test_the_picture_takes_the_width_there_is(width: int, tmp_path: Path) -> None:
    notes = ["a note that goes on for long enough to need more than one line in a narrow window " * 2]
    picture = render(
        Profile.from_stacks(STACKS), title="A title of some length " * 3, notes=notes, subtitle="S"
    )
    steps = """
    const right = (e) => e.getBoundingClientRect().right, bottom = (e) => e.getBoundingClientRect().bottom;
    const texts = Array.from(svg.querySelectorAll("text")).filter((t) => t.textContent);
    const host = svg.querySelector("foreignObject").getBoundingClientRect();
    const title = svg.querySelector(".title").getBoundingClientRect();
    return {
      width: svg.width.baseVal.value, root: frame("all").width, farthest: Math.max(...texts.map(right)),
      apart: host.left >= title.right || host.top >= title.bottom - 2,
      height: svg.height.baseVal.value, bottom: Math.max(...texts.map(bottom)),
    };
    """
    found = drive(picture, steps, tmp_path, f"--window-size={width},900")
    assert found["width"] == width
    assert found["root"] == pytest.approx(width - 20.6, abs=0.2)
    assert found["farthest"] <= width
    assert found["apart"]
    assert found["bottom"] <= found["height"]


def test_names_are_text_and_labels_fit(tmp_path: Path) -> None:
    names = ["<img src=x>" * 20, "日本語" * 40, "ﷺ" * 40, "👩‍👩‍👧‍👦" * 30, "&amp;]]></script>", "W" * 300]
    svg = render(Profile.from_stacks([((name, name), 10 + i) for i, name in enumerate(names)]))
    steps = """
    const over = () => labels().map((t) => {
      const s = holder(t);
      return [t.textContent, +t.getAttribute("x") + t.getComputedTextLength(), s.x + s.width];
    }).filter((one) => one[1] > one[2]);
    const before = over();
    strokes().forEach(hover);
    click(strokes().find((s) => s.line === 1));
    return {before, after: over(), images: document.querySelectorAll("img,image").length};
    """
    assert drive(svg, steps, tmp_path) == {"before": [], "after": [], "images": 0}


@pytest.mark.parametrize(
    ("unit", "si"), [("samples", False), ("bytes", False), ("bytes", True), ("microseconds", False)]
)
def test_values_read_as_in_the_static_picture(unit: str, si: bool, tmp_path: Path) -> None:
    values = [1, 999, 1000, 1023, 1024, 1536, 10_240, 123_456, 9_999_999, 1 << 33, 1 << 52]
    svg = render(
        Profile.from_stacks([((f"f{i}",), v) for i, v in enumerate(values)], unit), min_width=0, si=si
    )
    steps = """
    const told = [];
    key("ArrowUp");
    for (let i = 0; i < 12; i += 1) key("ArrowLeft");
    for (let i = 0; i < 11; i += 1) { told.push(tip().join(" ")); key("ArrowRight"); }
    return told;
    """
    told = drive(svg, steps, tmp_path, address="?x")
    for i, value in enumerate(values):
        expected = f"f{i} {format_value(value, unit, si)},"
        assert any(line.startswith(expected) for line in told) or value < 1 << 33, (value, told)


def test_a_comparison_can_show_what_vanished(tmp_path: Path) -> None:
    steps = """
    const button = Array.from(svg.querySelectorAll("button")).find((b) => b.textContent === "Show vanished");
    const before = names();
    key("ArrowUp"); key("ArrowUp");
    const grown = [say(), tip()];
    button.click();
    const gone = strokes().filter((s) => s.kind === "k18").length;
    const shown = [button.getAttribute("aria-pressed"), location.hash, names()];
    hover(frame("gone"));
    const told = tip();
    button.click();
    return {before, grown, gone, shown, told, back: names(), hash: location.hash};
    """
    found = drive(render(small()), steps, tmp_path)
    assert "gone" not in found["before"]
    assert "+ fresh" in found["before"]
    assert found["grown"][0] == "grown (40.00%, was 20.00%, +20.00 points, x2.00)"
    assert found["gone"] == 2
    assert found["shown"][:2] == ["true", "#w=max"]
    assert {"gone", "deep"} <= set(found["shown"][2])
    assert found["told"] == ["gone", "vanished, was 30.00%", "0 samples now"]
    assert (found["back"], found["hash"]) == (found["before"], "")


def test_a_deep_picture_stays_usable(tmp_path: Path) -> None:
    svg = render(Profile.from_stacks([(["f", "g"] * 3000, 1), (("h",), 1)]))
    steps = """
    const elements = svg.querySelectorAll("path").length;
    search("^g$");
    const found = [matched(), say()];
    click(frame("h"));
    return {elements, found, zoomed: names()};
    """
    found = drive(svg, steps, tmp_path)
    assert found["elements"] < 1000
    assert found["found"] == ["Matched: 50.00%", "3,000 frames match, 50.00% of all"]
    assert found["zoomed"] == ["all", "h"]
