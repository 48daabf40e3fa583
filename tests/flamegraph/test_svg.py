import io
from random import Random
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flamegraph import OptionError, Profile, read_folded
from flamegraph.colors import PALETTES
from flamegraph.palettes import LIGHT
from flamegraph.subject import WIDTHS
from flamegraph.svg import DIRECTIONS, render
from tests.flamegraph.comparisons import Pair, small
from tests.flamegraph.pictures import SVG, data, labels, parse, strokes, tags, texts

HOSTILE = [
    "</script><script>alert(1)</script>",
    "]]>",
    "<![CDATA[",
    "<!--",
    '" onload="alert(1)',
    "'&quot;&#0;&amp;",
    "\x00\x01\x1b[31m",
    "\udfff\ud800",
    "\ufffe\uffff",
    "\u202eevil\u2028\u2029",
    "",
    " ",
    "ﷺ" * 50,
    "日本" * 50,
    "👩‍👩‍👧‍👦" * 20,
]
anything = st.text(st.characters(), max_size=20) | st.sampled_from(HOSTILE)
PLAIN = [(("main", "work"), 3), (("main",), 1)]


def test_an_empty_profile_is_a_picture_that_says_so() -> None:
    root = parse(render(Profile.from_stacks([])))
    assert texts(root, "none") == ["No samples: the profile is empty."]
    assert "script" not in tags(root)


def test_frames_have_places_titles_and_labels() -> None:
    root = parse(render(Profile.from_stacks(PLAIN)))
    found = sorted((frame.line, frame.x, frame.width, frame.title) for frame in strokes(root))
    assert found == [
        (0, 295, 884.4, "work (3 samples, 75.00%)"),
        (1, 0, 1179.4, "main (4 samples, 100.00%)"),
        (2, 0, 1179.4, "all (4 samples, 100.00%)"),
    ]
    assert [label.text for label in labels(root)] == ["all", "main", "work"]


def test_an_icicle_hangs_from_its_root() -> None:
    root = parse(render(Profile.from_stacks(PLAIN), direction="icicle"))
    assert sorted((frame.line, frame.x) for frame in strokes(root)) == [(0, 0), (1, 0), (2, 295)]
    assert [label.attrib["y"] for label in labels(root)] == ["11", "27", "43"]
    assert data(root)["up"] is False


def test_data_for_the_script_is_the_whole_tree() -> None:
    found = data(parse(render(Profile.from_stacks([*PLAIN, (("other",), 4)]))))
    assert found["names"] == ["all", "main", "other", "work"]
    assert found["unit"] == ["sample", "samples", []]
    assert (found["kids"], found["name"]) == ([2, 1, 0, 0], [0, 1, 2, 3])
    shape = {"of": "", "gap": [], "total": [8, 4, 4, 3], "rest": []}
    assert found["shapes"] == [shape]


def test_what_is_left_out_is_told_to_the_script() -> None:
    found = data(parse(render(Profile.from_stacks([(("a",), 1), (("b",), 999), (("c",), 1)]), min_width=2)))
    assert found["hidden"] == 2
    assert (found["shapes"][0]["gap"], found["shapes"][0]["rest"]) == ([0, 1], [2, 0])


def test_fractions_survive() -> None:
    found = data(parse(render(Profile.from_stacks([(("a",), 0.1), (("b",), 0.2)]))))
    assert found["shapes"][0]["total"] == [0.3, 0.1, 0.2]


def test_title_subtitle_and_notes_are_shown() -> None:
    root = parse(
        render(Profile.from_stacks(PLAIN), title="T<1>", subtitle="S&S", notes=["one", "two " * 200])
    )
    assert texts(root, "title") == ["T<1>"]
    assert texts(root, "subtitle") == ["S&S"]
    notes = texts(root, "note")
    assert notes[0] == "one"
    assert len(notes) > 2
    assert max(map(len, notes)) * 6.65 <= 1180


def test_notes_make_the_picture_taller() -> None:
    def height(notes: list[str]) -> float:
        return float(parse(render(Profile.from_stacks(PLAIN), notes=notes)).attrib["height"])

    assert height(["a", "b"]) == height([]) + 30


def test_where_the_profile_comes_from_is_shown() -> None:
    profile = Profile.from_stacks(PLAIN, metadata={"engine": "py-spy", "invalid_lines": "3"})
    assert texts(parse(render(profile)), "note") == ["engine: py-spy  ·  invalid lines: 3"]


def test_units_are_formatted() -> None:
    profile = Profile.from_stacks([(("a",), 3 << 20)], unit="bytes")
    assert "a (3.00 MiB, 100.00%)" in render(profile)
    assert "a (3.15 MB, 100.00%)" in render(profile, si=True)


def test_description_sums_up_for_readers_who_cannot_see() -> None:
    profile = Profile.from_stacks([(("b",), 1), (("a",), 3)], metadata={"engine": "py-spy"})
    description = parse(render(profile)).find(f"{SVG}desc")
    assert description is not None
    assert description.text == "Total: 4 samples.\nLargest by themselves: a 75.00%, b 25.00%.\nengine: py-spy"


def test_nothing_runs_but_the_one_constant_script() -> None:
    one, other = (parse(render(Profile.from_stacks([((name,), 1)]))) for name in ("a", "b"))
    scripts = [[s.text for s in root.iter(f"{SVG}script") if "type" not in s.attrib] for root in (one, other)]
    assert scripts[0] == scripts[1]
    assert len(scripts[0]) == 1
    for word in ("innerHTML", "eval(", "Function(", "document.write", "insertAdjacent", "]]>"):
        assert word not in (scripts[0][0] or "")
    assert not [name for element in one.iter() for name in element.attrib if name.startswith("on")]
    assert not [element for element in one.iter() if "style" in element.attrib]
    assert "http" not in render(Profile.from_stacks(PLAIN)).replace("http://www.w3.org/", "")


def test_the_script_may_stay_outside_or_away() -> None:
    profile = Profile.from_stacks(PLAIN)
    assert "script" not in tags(parse(render(profile, script="none")))
    for address in ("/static/viewer.js", "https://example.org/v.js?a=1&b=2", "viewer.js"):
        scripts = list(parse(render(profile, script=address)).iter(f"{SVG}script"))
        assert scripts[1].attrib == {"href": address}
        assert not scripts[1].text


@pytest.mark.parametrize("script", ["javascript:alert(1)", "data:text/javascript,1", "", "a b", "FILE:///x"])
def test_an_address_that_is_none_is_refused(script: str) -> None:
    with pytest.raises(OptionError, match="inline, none nor an http or relative address"):
        render(Profile.from_stacks(PLAIN), script=script)


def test_colors_do_not_depend_on_the_style_sheet() -> None:
    root = parse(render(Profile.from_stacks(PLAIN)))
    groups = root.findall(f".//{SVG}g[@class='frames']/{SVG}g")
    assert groups
    assert all(group.attrib["stroke"].startswith("#") for group in groups)
    background = root.find(f"{SVG}rect")
    assert background is not None
    assert background.attrib["fill"] == LIGHT.background


def test_narrow_frames_have_no_title_and_no_label() -> None:
    root = parse(render(Profile.from_stacks([(("a",), 999), (("b",), 1)])))
    assert [frame.title for frame in strokes(root) if frame.width < 2] == [None]
    assert [label.text for label in labels(root)] == ["all", "a"]


def test_a_large_picture_has_few_elements() -> None:
    profile = Profile.from_stacks([((f"f{i}", f"g{i}", f"h{i}"), 1) for i in range(3000)])
    root = parse(render(profile))
    assert len(strokes(root)) == 9001
    assert len(tags(root)) < 100


@pytest.mark.parametrize("name", ["x" * 500, "日本語" * 100, "ﷺ" * 50, "👩‍👩‍👧‍👦" * 20])
@pytest.mark.parametrize("share", [3, 10, 50, 100])
def test_labels_never_overflow_their_frame(name: str, share: int) -> None:
    root = parse(render(Profile.from_stacks([((name,), share), (("z",), 100 - share)])))
    label = labels(root)[1]
    frame = next(frame for frame in strokes(root) if frame.line == 0 and frame.x == 0)
    width = float(label.get("textLength") or 6.65 * len(label.text or ""))
    assert float(label.attrib["x"]) + width <= frame.width


@pytest.mark.parametrize("width", [199, 0, -1])
def test_a_picture_too_narrow_is_refused(width: int) -> None:
    with pytest.raises(OptionError, match="200 or more"):
        render(Profile.from_stacks([]), width=width)


def test_a_direction_that_is_none_is_refused() -> None:
    with pytest.raises(OptionError, match="choose one of flame, icicle"):
        render(Profile.from_stacks([]), direction="sideways")


def test_a_deep_profile_is_drawn() -> None:
    root = parse(render(Profile.from_stacks([(["f"] * 50_000, 1)])))
    assert len(strokes(root)) == 50_001
    assert float(root.attrib["height"]) > 50_001 * 16


def test_a_name_of_ten_megabytes_is_drawn_by_its_head() -> None:
    svg = render(Profile.from_stacks([(("x" * 10_000_000,), 1)]))
    assert len(svg) < 60_000
    parse(svg)


@pytest.mark.parametrize("palette", PALETTES)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_every_look_is_well_formed(palette: str, direction: str) -> None:
    profile = Profile.from_stacks([((f"f{i} (m{i}.py)", "g_[k]"), i) for i in range(40)])
    assert len(strokes(parse(render(profile, palette=palette, direction=direction)))) == 79


def test_a_comparison_names_what_vanished() -> None:
    root = parse(render(small()))
    assert texts(root, "note") == ["Vanished: gone (30.00%)"]
    assert {frame.title for frame in strokes(root) if frame.kind == "k17"} == {"fresh (17.50%, new)"}
    assert "+ fresh" in [label.text for label in labels(root)]
    assert not [frame for frame in strokes(root) if frame.kind == "k18"]


def test_a_comparison_shows_what_vanished_on_request() -> None:
    root = parse(render(small(), widths="max"))
    gone = [frame for frame in strokes(root) if frame.kind == "k18"]
    assert {frame.title for frame in gone} == {
        "gone (vanished, was 30.00%)",
        "deep (vanished, was 30.00%)",
    }
    group = root.find(f".//{SVG}g[@class='frames']/{SVG}g[@class='k18']")
    assert group is not None
    assert group.attrib["stroke"] == "url(#fg-h18)"
    assert root.find(f".//{SVG}pattern[@id='fg-h18']") is not None


def test_the_script_knows_both_sides_of_a_comparison() -> None:
    found = data(parse(render(small(noise=["shrunk"]))))
    at = {found["names"][name]: frame for frame, name in enumerate(found["name"])}
    assert (found["now"][at["grown"]], found["before"][at["grown"]]) == (80, 40)
    assert found["sure"][at["shrunk"]] == 0
    assert found["whole"] == 200
    assert [shape["of"] for shape in found["shapes"]] == ["new", "max"]


def test_the_description_of_a_comparison_tells_the_largest_changes() -> None:
    description = parse(render(small())).find(f"{SVG}desc")
    assert description is not None
    assert description.text is not None
    lines = description.text.splitlines()
    assert lines[0] == "Total: 200 samples."
    assert lines[1] == "gone: vanished, was 30.00%."


@pytest.mark.parametrize("widths", WIDTHS)
def test_an_empty_comparison_is_a_picture_that_says_so(widths: str) -> None:
    assert texts(parse(render(Pair([], []), widths=widths)), "none")


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.lists(anything, max_size=4), st.integers(1, 9)), min_size=1, max_size=5),
    anything,
    st.booleans(),
)
def test_no_text_adds_an_element(stacks: list[tuple[list[str], int]], text: str, comparison: bool) -> None:
    def drawn(stacks: list[tuple[list[str], int]], text: str) -> ElementTree.Element:
        subject = Pair(stacks[:2], stacks[1:]) if comparison else Profile.from_stacks(stacks)
        return parse(render(subject, title=text, subtitle=text or "-", notes=["-", "-" + text[:5]]))

    root = drawn(stacks, text)
    plain = drawn([(_renamed(frames, stacks), weight) for frames, weight in stacks], "t")
    for tag in ("rect", "script", "style", "svg", "pattern", "title"):
        assert tags(root).count(tag) == tags(plain).count(tag), tag
    # Names decide on classes, each of which is a group.
    groups = [tags(each).count("g") - len({frame.kind for frame in strokes(each)}) for each in (root, plain)]
    assert groups[0] == groups[1]
    assert set(tags(root)) <= {*tags(plain), "text"}
    assert len(strokes(root)) == len(strokes(plain))
    assert all(not name.startswith("on") for element in root.iter() for name in element.attrib)


def _renamed(frames: list[str], stacks: list[tuple[list[str], int]]) -> list[str]:
    every = sorted({name.encode("utf-8", "surrogatepass") for names, _ in stacks for name in names})
    return [f"name{every.index(name.encode('utf-8', 'surrogatepass'))}" for name in frames]


lines = st.lists(
    st.tuples(
        st.lists(st.sampled_from(["a", "b", "a 1", "c_[k]"]), min_size=1, max_size=4), st.integers(1, 99)
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=50)
@given(lines, st.randoms(use_true_random=False), st.sampled_from(["", ".1", ".25"]))
def test_the_order_of_lines_does_not_change_a_byte(
    stacks: list[tuple[list[str], int]], random: Random, fraction: str
) -> None:
    folded = [f"{';'.join(frames)} {weight}{fraction}" for frames, weight in stacks]
    first = render(read_folded(io.BytesIO("\n".join(folded).encode())))
    assert render(read_folded(io.BytesIO("\n".join(folded).encode()))) == first
    random.shuffle(folded)
    assert render(read_folded(io.BytesIO("\n".join(folded).encode()))) == first


def test_a_picture_of_nothing_but_slivers_says_what_to_do() -> None:
    lines = "".join(f"thread;root{number} 1\n" for number in range(30_000))
    flat = read_folded(io.BytesIO(lines.encode()))
    assert "the stacks of 100.00% end in frames under 0.1 px, which are not drawn" in " ".join(
        texts(parse(render(flat)), "note")
    )
    assert "too narrow" not in render(flat, min_width=0)
    assert "too narrow" not in render(read_folded(io.BytesIO(lines.encode() + b"thread;wide 40000\n")))
