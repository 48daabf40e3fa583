import io
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flamegraph import OptionError, Profile, read_folded, render
from tests.flamegraph.pictures import SVG, data, parse, tags, texts

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
    rects = [
        (rect.attrib["x"], rect.attrib["width"], "".join(rect.itertext()))
        for rect in root.iter(f"{SVG}rect")
        if rect.get("class") != "bg"
    ]
    assert rects == [
        ("10", "1180", "all (4 samples, 100.00%)"),
        ("10", "1180", "main (4 samples, 100.00%)"),
        ("305", "885", "work (3 samples, 75.00%)"),
    ]
    labels = [text.text for group in root.iter(f"{SVG}g") for text in group.iter(f"{SVG}text")]
    assert labels == ["all", "main", "work"]


def test_rows_grow_upwards_from_the_root() -> None:
    groups = list(parse(render(Profile.from_stacks(PLAIN))).iter(f"{SVG}g"))
    heights = [float(group.attrib["transform"].split(",")[1].rstrip(")")) for group in groups]
    assert heights == sorted(heights, reverse=True)


def test_data_for_the_script_tells_the_same() -> None:
    found = data(parse(render(Profile.from_stacks(PLAIN))))
    assert (found["unit"], found["total"], found["names"]) == ("samples", 4, ["all", "main", "work"])
    assert found["rows"][2] == {"name": [2], "start": [1], "total": [3], "own": [3]}


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


def test_units_are_formatted() -> None:
    svg = render(Profile.from_stacks([(("a",), 3 << 20)], unit="bytes"))
    assert "a (3.00 MiB, 100.00%)" in svg


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
    for word in ("innerHTML", "eval(", "Function(", "document.write", "insertAdjacent"):
        assert word not in (scripts[0][0] or "")
    assert not [name for element in one.iter() for name in element.attrib if name.startswith("on")]
    assert "http" not in render(Profile.from_stacks(PLAIN)).replace("http://www.w3.org/", "")


def test_narrow_frames_have_no_title_and_no_label() -> None:
    root = parse(render(Profile.from_stacks([(("a",), 999), (("b",), 1)])))
    narrow = [rect for rect in root.iter(f"{SVG}rect") if rect.get("width") == "1.18"]
    assert [len(rect) for rect in narrow] == [0]


@pytest.mark.parametrize("name", ["x" * 500, "日本語" * 100, "ﷺ" * 50, "👩‍👩‍👧‍👦" * 20])
@pytest.mark.parametrize("share", [3, 10, 50, 100])
def test_labels_never_overflow_their_frame(name: str, share: int) -> None:
    root = parse(render(Profile.from_stacks([((name,), share), (("z",), 100 - share)])))
    row = list(root.iter(f"{SVG}g"))[1]
    frame, label = row.find(f"{SVG}rect"), row.find(f"{SVG}text")
    assert frame is not None
    assert label is not None
    width = float(label.get("textLength") or 6.65 * len(label.text or ""))
    assert float(label.attrib["x"]) + width <= float(frame.attrib["x"]) + float(frame.attrib["width"])


@pytest.mark.parametrize("width", [199, 0, -1])
def test_a_picture_too_narrow_is_refused(width: int) -> None:
    with pytest.raises(OptionError, match="200 or more"):
        render(Profile.from_stacks([]), width=width)


def test_a_deep_profile_is_drawn() -> None:
    svg = render(Profile.from_stacks([(["f"] * 3000, 1)]))
    assert svg.count('<g class="row"') == 3001


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.lists(anything, max_size=4), st.integers(1, 9)), min_size=1, max_size=5), anything
)
def test_no_text_adds_an_element(stacks: list[tuple[list[str], int]], text: str) -> None:
    root = parse(
        render(Profile.from_stacks(stacks), title=text, subtitle=text or "-", notes=["-", text + "-"])
    )
    plain = parse(
        render(
            Profile.from_stacks([(_renamed(frames, stacks), weight) for frames, weight in stacks]),
            title="t",
            subtitle="s",
            notes=["-", "-"],
        )
    )
    assert sorted(set(tags(root))) == sorted(set(tags(plain)))
    assert tags(root).count("rect") == tags(plain).count("rect")
    assert tags(root).count("script") == 2
    assert all(not name.startswith("on") for element in root.iter() for name in element.attrib)
    assert data(root)["total"] == sum(weight for _, weight in stacks)


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
