import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flamegraph import OptionError, Profile
from flamegraph.diff import Diff, diff, pooled_diff

Stacks = list[tuple[tuple[str, ...], int]]
STACKS = st.lists(
    st.tuples(st.lists(st.sampled_from("abcd"), max_size=5).map(tuple), st.integers(0, 50)), max_size=12
)


def of(*stacks: tuple[str, float], unit: str = "samples", **metadata: str) -> Profile:
    """A profile of `main;work` texts and weights."""
    return Profile.from_stacks([(tuple(text.split(";")), weight) for text, weight in stacks], unit, metadata)


def node(compared: Diff, path: str) -> int:
    """The node of a path of the union."""
    (found,) = [
        at
        for at in range(1, len(compared.tree))
        if ";".join(compared.tree.text(part) for part in compared.tree.path(at)) == path
    ]
    return found


def test_nothing_compared_with_nothing_is_a_diff() -> None:
    compared = diff(of(), of())
    assert (len(compared.tree), compared.functions, compared.whole) == (1, [], 0)
    assert (compared.change(0), compared.significance(0)) == (0, 0)
    assert "No function's own share changed" in compared.summary()


@pytest.mark.parametrize("normalize", [True, False])
def test_one_empty_side_keeps_the_weights_of_the_other(normalize: bool) -> None:
    full = of(("main;work", 6))
    gone, come = diff(full, of(), normalize), diff(of(), full, normalize)
    assert (list(gone.base), list(come.base)) == ([0, 0, 6], [0, 0, 0])
    assert [gone.is_vanished(2), come.is_new(2), gone.is_new(2), come.is_vanished(2)] == [
        True,
        True,
        False,
        False,
    ]
    assert (gone.change(2), come.change(2)) == (-2, 2)
    assert [(change.base, change.new) for change in gone.functions] == [(1, 0), (0, 0)]
    assert [(change.base, change.new) for change in come.functions] == [(0, 1), (0, 0)]
    assert "the profiles is empty" in come.summary()


def test_the_tree_is_the_union_with_the_weights_of_new() -> None:
    compared = diff(of(("main;old", 2), ("main;both", 3)), of(("main;both", 4), ("main;young;leaf", 1)))
    assert sorted(compared.tree.stacks()) == [(("main", "both"), 4), (("main", "young", "leaf"), 1)]
    assert {compared.tree.text(at) for at in range(1, len(compared.tree))} == {
        "main",
        "old",
        "both",
        "young",
        "leaf",
    }
    assert compared.is_new(node(compared, "main;young"))
    assert compared.is_vanished(node(compared, "main;old"))
    assert not compared.is_new(node(compared, "main;both"))
    assert all(parent < at for at, parent in enumerate(compared.tree.parent))


def test_base_is_scaled_to_the_total_of_new_in_floating_point() -> None:
    compared = diff(of(("a", 1), ("b", 2)), of(("a", 50), ("b", 50)))
    assert compared.base_totals[node(compared, "a")] == pytest.approx(100 / 3)
    assert math.fsum(compared.base) == pytest.approx(100)
    assert (compared.total_base, compared.total_new) == (3, 100)
    assert compared.base_totals[0] == pytest.approx(100)


def test_weights_as_they_are_when_not_normalised() -> None:
    compared = diff(of(("a", 10)), of(("a", 20)), normalize=False)
    assert (list(compared.base), compared.change(1)) == ([0, 10], 1)
    assert compared.functions[0].growth == 1
    assert diff(of(("a", 10)), of(("a", 20))).functions[0].growth == 0


def test_change_is_a_logarithm_held_to_two() -> None:
    compared = diff(
        of(("same", 10), ("double", 10), ("half", 20), ("tiny", 1), ("rest", 59)),
        of(("same", 10), ("double", 20), ("half", 10), ("tiny", 30), ("rest", 30)),
    )
    changes = [compared.change(node(compared, name)) for name in ("same", "double", "half", "tiny")]
    assert changes == pytest.approx([0, 1, -1, 2])


def test_significance_grows_with_the_number_of_samples() -> None:
    def of_size(size: int) -> float:
        compared = diff(of(("a", size), ("b", 9 * size)), of(("a", 2 * size), ("b", 8 * size)))
        return compared.significance(node(compared, "a"))

    grown = [of_size(size) for size in (2, 40, 100, 1_000)]
    assert grown == sorted(grown)
    assert (grown[0], grown[-1]) == (0, 1)
    assert 0 < grown[2] < 1


def test_chance_is_not_judged_where_samples_are_unknown() -> None:
    compared = diff(of(("a", 4096), unit="bytes"), of(("a", 4096), ("b", 4096), unit="bytes"))
    assert compared.samples is None
    assert (compared.z(0, 0.5), compared.interval(0, 0.5), compared.functions[0].z) == (None, None, None)
    assert compared.significance(node(compared, "b")) == 1
    assert "How sure cannot be told: bytes are not samples" in compared.summary()


def test_a_profile_in_bytes_can_say_how_many_samples_it_rests_on() -> None:
    counted = of(("a", 4096), unit="bytes", samples="800")
    compared = diff(counted, of(("a", 1024), ("b", 3072), unit="bytes", samples="400"))
    assert compared.samples == pytest.approx((800, 400))
    assert compared.functions[0].z == pytest.approx(-0.75 / math.sqrt(3 * 0.75 * 0.25 * (1 / 800 + 1 / 400)))
    assert diff(counted, of(("a", 1), unit="bytes", samples="many")).samples is None


def test_functions_count_recursion_once_and_are_ordered_by_their_own_change() -> None:
    compared = diff(of(("f;g;f", 50), ("h", 50)), of(("f;g;f", 60), ("h", 40)))
    assert [(c.name, c.base, c.new, c.base_total, c.new_total) for c in compared.functions] == [
        ("f", 0.5, 0.6, 0.5, 0.6),
        ("h", 0.5, 0.4, 0.5, 0.4),
        ("g", 0, 0, 0.5, 0.6),
    ]
    assert compared.functions[2].total_growth == pytest.approx(0.1)


def test_the_summary_says_who_changed_by_how_much_and_how_sure_that_is() -> None:
    text = diff(
        of(("main;f", 100), ("main;g", 900)), of(("main;f", 400), ("main;new\n", 30), ("main;g", 570))
    ).summary()
    assert text.splitlines()[0] == "Base 1,000 samples, new 1,000 samples; shares of each one's whole."
    grew, shrank = text[: text.index("shrank")], text[text.index("shrank") :]
    assert "+30.00  [+23.69, +36.02]  z  +8.9 sure" in grew
    assert "10.00% ->  40.00%  f" in grew
    assert "0.00% ->   3.00%  new  (new)" in grew
    assert "-33.00" in shrank


def test_the_summary_names_so_many_and_counts_the_others() -> None:
    names = [f"f{i}" for i in range(5)]
    text = diff(
        of(*((name, 1) for name in names), ("x", 95)), of(*((name, 9) for name in names), ("x", 55))
    ).summary(2)
    assert "and 3 functions by less" in text


def test_rounding_is_no_change() -> None:
    stacks = [(f"f{i}", 3 * i + 1) for i in range(30)]
    text = diff(of(*stacks), of(*((name, 7 * weight) for name, weight in stacks))).summary()
    assert "No function's own share changed." in text


def test_a_negative_number_of_functions_is_refused() -> None:
    with pytest.raises(OptionError, match="0 or more"):
        diff(of(), of()).summary(-1)


def test_units_must_agree() -> None:
    with pytest.raises(OptionError, match="base is in bytes and the new profile in samples"):
        diff(of(unit="bytes"), of())


def test_the_smallest_and_largest_weights_can_be_compared() -> None:
    tiny, huge = of(("a", 5e-324), ("b", 1.0)), of(("a", 1.0), ("b", 10**18))
    assert diff(tiny, huge).change(1) == 2
    with pytest.raises(OptionError, match="too far apart"):
        diff(of(("a", 5e-324)), huge)


def test_several_bases_are_pooled_and_not_normalised_averaged() -> None:
    bases = [of(("a", 10), ("b", 30)), of(("a", 30), ("b", 30))]
    pooled = pooled_diff(bases, of(("a", 50), ("b", 50)))
    assert pooled.samples == pytest.approx((100, 100))
    assert pooled.base_totals[node(pooled, "a")] == 40
    averaged = pooled_diff(bases, of(("a", 50), ("b", 50)), normalize=False)
    assert averaged.base_totals[node(averaged, "a")] == 20
    assert averaged.whole == 50


@given(STACKS)
def test_a_profile_does_not_differ_from_itself(stacks: Stacks) -> None:
    profile = Profile.from_stacks(stacks)
    compared = diff(profile, profile)
    assert list(compared.base_totals) == list(compared.tree.totals)
    assert all(change.growth == 0 and not change.z for change in compared.functions)
    assert {compared.significance(at) for at in range(len(compared.tree))} == {0}


@given(STACKS, STACKS, st.booleans())
def test_exchanging_the_sides_flips_every_sign(one: Stacks, other: Stacks, normalize: bool) -> None:
    a, b = Profile.from_stacks(one), Profile.from_stacks(other)
    there, back = diff(a, b, normalize), diff(b, a, normalize)
    ways = {tuple(map(there.tree.text, there.tree.path(at))): at for at in range(len(there.tree))}
    for at in range(1, len(back.tree)):
        same = ways[tuple(map(back.tree.text, back.tree.path(at)))]
        assert back.change(at) == pytest.approx(-there.change(same))
        assert back.is_new(at) == there.is_vanished(same)
    if normalize:
        growths = {change.name: change.growth for change in there.functions}
        for change in back.functions:
            assert change.growth == pytest.approx(-growths[change.name], abs=1e-12)


@given(STACKS, STACKS)
def test_shares_of_both_sides_add_up(one: Stacks, other: Stacks) -> None:
    compared = diff(Profile.from_stacks(one), Profile.from_stacks(other))
    assert compared.base_totals[0] == pytest.approx(math.fsum(compared.base))
    if compared.total_base and compared.total_new:
        assert compared.base_totals[0] == pytest.approx(compared.total_new)
    for change in compared.functions:
        assert 0 <= change.base <= change.base_total + 1e-12
        assert 0 <= change.new <= change.new_total + 1e-12 <= 1 + 1e-9
