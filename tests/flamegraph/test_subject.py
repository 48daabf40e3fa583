import pytest

from flamegraph.errors import OptionError
from flamegraph.palettes import NEW_CLASS, ROOT_CLASS, UNCHANGED, VANISHED_CLASS
from flamegraph.profile import Profile
from flamegraph.subject import WIDTHS, Subject, compared, of_comparison, of_profile
from tests.flamegraph.comparisons import Pair, small


def spread(subject: Subject, shape: int = 0) -> dict[str, float]:
    """Name -> width of a picture 100 pixels wide."""
    placed = subject.shapes[shape].placed
    names = (subject.names[name_id] for name_id in subject.name_ids)
    widths = (round(total * placed.scale, 3) for total in placed.totals)
    return dict(zip(names, widths, strict=True))


def kinds(subject: Subject) -> dict[str, int]:
    return dict(zip((subject.names[i] for i in subject.name_ids), subject.kinds, strict=True))


def test_nothing_has_no_frames() -> None:
    assert of_profile(Profile.from_stacks([]), "hot", 100, 0.1, False).placed.nodes == []
    for widths in WIDTHS:
        assert of_comparison(Pair([], []), widths, 100, 0.1, False).placed.nodes == []


def test_one_profile_is_colored_by_name() -> None:
    subject = of_profile(Profile.from_stacks([(("a", "b", "a"), 1)]), "hot", 100, 0.1, False)
    assert subject.names == ["all", "a", "b"]
    assert subject.name_ids == [0, 1, 2, 1]
    assert subject.kinds[0] == ROOT_CLASS
    assert subject.kinds[1] == subject.kinds[3]
    assert subject.title(2) == "b (1 sample, 100.00%)"


def test_a_frame_called_as_the_root_is_not_the_root() -> None:
    subject = of_profile(Profile.from_stacks([(("all",), 1), (("",), 1)]), "hot", 100, 0.1, False)
    assert [subject.names[name_id] for name_id in subject.name_ids] == ["all", "", "all"]
    assert subject.kinds[2] != ROOT_CLASS


@pytest.mark.parametrize(
    ("widths", "expected"),
    [
        ("new", {"grown": 40, "fresh": 17.5, "same": 40, "shrunk": 2.5, "gone": 0, "deep": 0}),
        ("base", {"grown": 20, "fresh": 0, "same": 40, "shrunk": 10, "gone": 30, "deep": 30}),
    ],
)
def test_widths_are_those_of_one_side(widths: str, expected: dict[str, float]) -> None:
    found = spread(of_comparison(small(), widths, 100, 0.1, False))
    assert {name: found[name] for name in expected} == expected
    assert found["all"] == 100


def test_the_larger_of_both_shows_every_frame() -> None:
    subject = of_comparison(small(), "max", 155, 0.1, False)
    assert spread(subject) == pytest.approx(
        {
            "all": 155,
            "main": 145,
            "shrunk": 10,
            "grown": 40,
            "fresh": 17.5,
            "same": 40,
            "gone": 30,
            "deep": 30,
        },
        abs=20,
    )
    assert len(subject.shapes) == 1
    assert all(subject.placed.totals)


def test_widths_by_change_leave_out_what_stayed() -> None:
    found = spread(of_comparison(small(), "delta", 100, 0.1, False))
    assert found["same"] == 0
    assert found["gone"] > found["shrunk"] > 0


@pytest.mark.parametrize("widths", ["new", "base", "delta"])
def test_a_second_shape_has_the_same_frames_and_hides_none(widths: str) -> None:
    first, second = of_comparison(small(), widths, 100, 0.1, False).shapes
    assert first.placed.nodes == second.placed.nodes
    assert first.placed.kids == second.placed.kids
    assert all(second.placed.totals)


def test_a_comparison_is_colored_by_change() -> None:
    found = kinds(of_comparison(small(noise=["shrunk"]), "new", 100, 0.1, False))
    assert found["all"] == found["same"] == found["shrunk"] == UNCHANGED
    assert found["grown"] == UNCHANGED + 4
    assert found["fresh"] == NEW_CLASS
    assert found["gone"] == found["deep"] == VANISHED_CLASS


def test_frames_tell_both_shares_and_what_lies_between() -> None:
    pair = small(noise=["shrunk"])
    told = {pair.tree.text(node): compared(pair, node) for node in range(1, len(pair.tree))}
    assert told["grown"] == "40.00%, was 20.00%, +20.00 points, x2.00"
    assert told["same"] == "40.00%, was 40.00%, +0.00 points, x1.00"
    assert told["shrunk"] == "2.50%, was 10.00%, -7.50 points, x0.25, within noise"
    assert told["fresh"] == "17.50%, new"
    assert told["gone"] == "vanished, was 30.00%"


def test_frames_wide_in_either_shape_are_kept() -> None:
    pair = Pair([(("a",), 1000), (("b",), 1)], [(("a",), 1)])
    assert "b" in spread(of_comparison(pair, "new", 1000, 0.5, False))
    assert "b" not in spread(of_comparison(pair, "new", 100, 0.5, False))


def test_unknown_widths_are_refused() -> None:
    with pytest.raises(OptionError, match="choose one of new, base, max, delta"):
        of_comparison(small(), "old", 100, 0.1, False)


@pytest.mark.parametrize(("base", "new"), [([], [(("a",), 1)]), ([(("a",), 1)], [])])
@pytest.mark.parametrize("widths", WIDTHS)
def test_one_side_may_be_empty(
    base: list[tuple[tuple[str], int]], new: list[tuple[tuple[str], int]], widths: str
) -> None:
    subject = of_comparison(Pair(base, new), widths, 100, 0.1, False)
    assert len(subject.placed.nodes) in (0, 2)
