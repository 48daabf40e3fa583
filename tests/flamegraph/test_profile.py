import pytest

from flamegraph import Hot, InputError, OptionError, Profile


def test_nothing_is_a_profile() -> None:
    profile = Profile.from_stacks([])
    assert profile.total == 0
    assert len(profile) == 1
    assert profile.top(10) == []
    assert list(profile.stacks()) == []


def test_equal_stacks_are_added_up() -> None:
    profile = Profile.from_stacks([(("a", "b"), 2), (("a",), 1), (["a", "b"], 3)])
    assert profile.total == 6
    assert sorted(profile.stacks()) == [(("a",), 1), (("a", "b"), 5)]


def test_parents_come_before_their_children() -> None:
    profile = Profile.from_stacks([(("a", "b", "c"), 1), (("a", "d"), 2), (("e",), 4)])
    assert profile.parent[0] == -1
    assert all(parent < node for node, parent in enumerate(profile.parent))
    assert list(profile.totals) == [7, 3, 1, 1, 2, 4]


def test_an_empty_stack_counts_for_the_whole() -> None:
    profile = Profile.from_stacks([((), 3), (("a",), 1)])
    assert profile.total == 4
    assert dict(profile.stacks()) == {(): 3, ("a",): 1}
    assert profile.top(5) == [Hot("a", 1, 1)]


def test_top_counts_recursion_once() -> None:
    profile = Profile.from_stacks([(("f", "g", "f"), 5), (("f", "f", "f"), 2), (("h", "f"), 1)])
    assert profile.top(3) == [Hot("f", 8, 8), Hot("g", 0, 5), Hot("h", 0, 1)]


def test_top_is_ordered_by_own_weight_then_total_then_name() -> None:
    profile = Profile.from_stacks([(("z", "a"), 3), (("y", "b"), 3), (("y", "z"), 4)])
    assert [hot.name for hot in profile.top(4)] == ["z", "a", "b", "y"]
    assert profile.top(1) == [Hot("z", 4, 7)]


def test_deep_recursion_needs_no_call_stack() -> None:
    profile = Profile.from_stacks([(["f"] * 20_000, 1)])
    assert profile.top(1) == [Hot("f", 1, 1)]


def test_fractional_weights_sum_exactly_in_any_order() -> None:
    stacks = [((f"f{i % 7}", f"g{i % 3}"), 0.1 * (i + 1)) for i in range(100)]
    one, other = Profile.from_stacks(stacks), Profile.from_stacks(stacks[::-1])
    assert one.total == other.total
    assert sorted(one.stacks()) == sorted(other.stacks())
    assert sorted(one.self_by_name().values()) == sorted(other.self_by_name().values())


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf"), 1 << 63, 10**400, 1e300])
def test_a_weight_that_is_no_amount_is_refused(weight: float) -> None:
    with pytest.raises(InputError, match="finite number, zero or more"):
        Profile.from_stacks([(("a",), weight)])


def test_an_unknown_unit_is_refused() -> None:
    with pytest.raises(OptionError, match="'bits' is not known"):
        Profile.from_stacks([], unit="bits")


def test_metadata_and_unit_are_kept() -> None:
    profile = Profile.from_stacks([], unit="bytes", metadata={"engine": "memray"})
    assert (profile.unit, profile.metadata) == ("bytes", {"engine": "memray"})


def test_any_text_is_a_name() -> None:
    profile = Profile.from_stacks([(("\udce9", "日本"), 1)])
    ((frames, _),) = profile.stacks()
    assert frames[1] == "日本"
    assert "\ufffd" in frames[0]


@pytest.mark.parametrize(
    "stacks",
    [
        None,
        3,
        [3],
        [None],
        [("a", "b", 3)],
        [(("a",),)],
        [("a;b", 3)],
        [(None, 3)],
        [((b"a",), 3)],
        [(("a",), "3")],
    ],
)
def test_what_is_no_stack_is_an_error_of_ours(stacks: object) -> None:
    with pytest.raises(InputError, match="expected"):
        Profile.from_stacks(stacks)  # type: ignore[arg-type]
