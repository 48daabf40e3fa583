import io
import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flamegraph import OptionError, Profile, read_folded
from flamegraph.layout import Frame, Layout, layout, name_of, wide_nodes
from flamegraph.layout import place as place_nodes

stack_lists = st.lists(
    st.tuples(st.lists(st.sampled_from("abcdef"), max_size=5).map(tuple), st.integers(0, 1000)), max_size=30
)


def place(lines: str, width: float = 100, min_width: float = 0.1) -> list[list[tuple[str, float, float]]]:
    profile = read_folded(io.BytesIO(lines.encode()))
    rows = layout(profile, width, min_width).rows
    return [[(name_of(profile, f.node), round(f.x, 3), round(f.width, 3)) for f in row] for row in rows]


def told(placed: Layout) -> tuple[list[list[Frame]], int]:
    return placed.rows, placed.hidden


def test_nothing_has_no_rows() -> None:
    assert told(layout(Profile.from_stacks([]))) == ([], 0)
    assert told(layout(Profile.from_stacks([(("a",), 0)]))) == ([], 1)


def test_own_weight_stands_left_of_the_children() -> None:
    assert place("a 1\na;b 3\n") == [[("all", 0, 100)], [("a", 0, 100)], [("b", 25, 75)]]


def test_siblings_stand_in_the_order_of_sorted_lines() -> None:
    rows = place("b 1\na;x 1\na b;x 1\na 1 1\nB 1\n")
    assert [name for name, _, _ in rows[1]] == ["B", "a 1", "a b", "a", "b"]


def test_own_weight_moves_a_frame_before_a_sibling_that_continues_its_name() -> None:
    assert [name for name, _, _ in place("a 1\na;x 1\na b;x 1\n")[1]] == ["a", "a b"]


def test_a_frame_torn_by_line_order_is_one_frame() -> None:
    assert place("a 5\na 7b;y 1\na;x 2\n", 80)[1] == [("a", 0, 70), ("a 7b", 70, 10)]


def test_narrow_frames_are_left_out_but_keep_their_room() -> None:
    rows = place("a 1\nb 1\nc 98\n", 100, 1.5)
    assert rows == [[("all", 0, 100)], [("c", 2, 98)]]
    assert layout(Profile.from_stacks([(("a", "x"), 1), (("c",), 99)]), 100, 2).hidden == 2


def test_a_frame_as_wide_as_the_least_width_is_drawn() -> None:
    assert place("a 1\nc 99\n", 100, 1)[1] == [("a", 0, 1), ("c", 1, 99)]


def test_no_least_width_draws_everything_that_weighs() -> None:
    assert len(place("a 1\nb 0\nc 1000000000\n", 100, 0)[1]) == 2


@pytest.mark.parametrize(
    ("width", "least"), [(0, 0.1), (-5, 0.1), (math.nan, 0.1), (100, -1), (100, math.nan)]
)
def test_widths_that_make_no_sense_are_refused(width: float, least: float) -> None:
    with pytest.raises(OptionError, match="must be"):
        layout(Profile.from_stacks([]), width, least)


@given(stack_lists)
def test_children_lie_inside_their_parent_and_apart(stacks: list[tuple[tuple[str, ...], int]]) -> None:
    profile = Profile.from_stacks(stacks)
    rows = layout(profile, 1000, 0).rows
    for below, above in pairwise(rows):
        spans = {frame.node: (frame.x, frame.x + frame.width) for frame in below}
        end = 0.0
        for frame in above:
            left, right = spans[profile.parent[frame.node]]
            assert left - 1e-6 <= frame.x
            assert frame.x + frame.width <= right + 1e-6
            assert frame.x >= end - 1e-6
            end = frame.x + frame.width


@given(stack_lists, st.sampled_from([0, 0.1, 3]))
def test_kids_gaps_and_rests_are_the_whole_tree(
    stacks: list[tuple[tuple[str, ...], int]], min_width: float
) -> None:
    profile = Profile.from_stacks(stacks)
    placed = layout(profile, 100, min_width)
    kid = 1
    for frame, node in enumerate(placed.nodes):
        at = placed.starts[frame] + profile.weights[node]
        kids = range(kid, kid + placed.kids[frame])
        for above in kids:
            assert profile.parent[placed.nodes[above]] == node
            at += placed.gaps[above]
            assert placed.starts[above] == at
            at += placed.totals[above]
        carried = sum(placed.totals[above] for above in kids)
        assert placed.totals[frame] == profile.weights[node] + carried + placed.rests[frame]
        kid = kids.stop
    assert kid == max(1, len(placed.nodes))
    assert [len(row) for row in placed.rows] == [end - begin for begin, end in placed.spans]


def test_one_tree_under_two_weights_keeps_its_order() -> None:
    first = Profile.from_stacks([(("b",), 1), (("a",), 3), (("a b",), 1)])
    other = Profile(first.parent, first.name, [0, 5, 0, 0], first.names)
    kept = wide_nodes(first, 0)
    placed = [place_nodes(profile, 100, kept, first.weights) for profile in (first, other)]
    assert placed[0].nodes == placed[1].nodes
    assert [frame.width for frame in placed[1].rows[1]] == [0, 0, 100]


def test_a_tree_as_deep_as_it_gets() -> None:
    assert len(layout(Profile.from_stacks([(["f"] * 50_000, 1)])).rows) == 50_001
