from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flamegraph import OptionError, Profile, transform

Stacks = dict[tuple[str, ...], float]

stacks_of = st.dictionaries(
    st.lists(st.sampled_from(["f", "g", "h (a/b.py:1)", "h (a/b.py:2)", "thread: t"]), max_size=6).map(tuple),
    st.integers(1, 1000),
    max_size=8,
)


def profile(stacks: Stacks) -> Profile:
    return Profile.from_stacks(stacks.items(), unit="bytes", metadata={"engine": "x"})


def stacks(of: Profile) -> Stacks:
    return dict(of.stacks())


STACKS: Stacks = {("main", "a", "b"): 1, ("main", "a"): 2, ("main", "c"): 4, (): 8}

EACH: list[Callable[[Profile], Profile]] = [
    lambda p: transform.merge([p]),
    lambda p: transform.focus(p, "f"),
    lambda p: transform.ignore(p, "f"),
    lambda p: transform.hide(p, "f"),
    lambda p: transform.only_package(p, "a"),
    lambda p: transform.cut_after(p, "f"),
    transform.collapse_recursion,
    lambda p: transform.collapse_recursion(p, indirect=True),
    transform.reverse,
    lambda p: transform.scale(p, 2),
    lambda p: transform.rename(p, "f", "g"),
    transform.group_by_thread,
    transform.drop_line_numbers,
    transform.drop_threads,
]


@pytest.mark.parametrize("each", EACH)
def test_nothing_becomes_nothing(each: Callable[[Profile], Profile]) -> None:
    result = each(profile({}))
    assert (len(result), result.total) == (1, 0)
    assert (result.unit, result.metadata) == ("bytes", {"engine": "x"})


@pytest.mark.parametrize("each", EACH)
@settings(max_examples=25)
@given(known=stacks_of)
def test_every_result_is_a_tree_and_the_argument_is_left_alone(
    each: Callable[[Profile], Profile], known: Stacks
) -> None:
    before = profile(known)
    result = each(before)
    assert stacks(before) == known
    assert all(parent < node for node, parent in enumerate(result.parent))
    siblings = list(zip(result.parent, result.name, strict=True))[1:]
    assert len(siblings) == len(set(siblings))
    assert sum(stacks(result).values()) == result.total


@pytest.mark.parametrize(
    "each", [each for at, each in enumerate(EACH) if at not in (1, 2, 9)], ids=lambda each: ""
)
@settings(max_examples=25)
@given(known=stacks_of)
def test_weight_is_kept(each: Callable[[Profile], Profile], known: Stacks) -> None:
    assert each(profile(known)).total == profile(known).total


def test_merge_adds_up() -> None:
    merged = transform.merge([profile({("a",): 1, ("b",): 2}), profile({("a",): 3, ("a", "c"): 4})])
    assert stacks(merged) == {("a",): 4, ("b",): 2, ("a", "c"): 4}


def test_merge_of_none_is_empty() -> None:
    assert transform.merge([]).total == 0


def test_merge_keeps_metadata_on_which_all_agree() -> None:
    one = Profile.from_stacks([], metadata={"engine": "x", "host": "a"})
    other = Profile.from_stacks([], metadata={"engine": "x", "host": "b"})
    assert transform.merge([one, other]).metadata == {"engine": "x"}


def test_units_do_not_mix() -> None:
    with pytest.raises(OptionError, match="bytes and samples cannot be added up"):
        transform.merge([profile({}), Profile.from_stacks([])])


def test_focus_keeps_whole_stacks() -> None:
    assert stacks(transform.focus(profile(STACKS), "^a$")) == {("main", "a", "b"): 1, ("main", "a"): 2}


def test_ignore_is_the_rest() -> None:
    assert stacks(transform.ignore(profile(STACKS), "^a$")) == {("main", "c"): 4, (): 8}


def test_frames_left_without_weight_are_gone() -> None:
    assert len(transform.ignore(profile(STACKS), "^b$")) == 4


def test_hide_takes_frames_out_of_stacks() -> None:
    assert stacks(transform.hide(profile(STACKS), "^a$")) == {
        ("main", "b"): 1,
        ("main",): 2,
        ("main", "c"): 4,
        (): 8,
    }


def test_only_package_keeps_its_frames_and_the_total() -> None:
    known: Stacks = {
        ("run (lib/x.py:1)", "app.api.get"): 1,
        ("f (/srv/app/main.py:3)", "g (lib/y.py:4)", "h (app/util.py:5)"): 2,
        ("f (app.py:3)", "g (happy/app2/y.py:4)"): 4,
        ("g (lib/y.py:4)",): 8,
    }
    assert stacks(transform.only_package(profile(known), "app")) == {
        ("app.api.get",): 1,
        ("f (/srv/app/main.py:3)", "h (app/util.py:5)"): 2,
        ("f (app.py:3)",): 4,
        (): 8,
    }


@pytest.mark.parametrize("package", ["app.api", "app/api", "./app/api/"])
def test_packages_are_named_by_dots_or_slashes(package: str) -> None:
    known: Stacks = {("f (app/api/x.py:1)", "g (app/x.py:1)"): 1}
    assert stacks(transform.only_package(profile(known), package)) == {("f (app/api/x.py:1)",): 1}


def test_a_package_has_a_name() -> None:
    with pytest.raises(OptionError, match="no name"):
        transform.only_package(profile({}), "./")


def test_cut_after_gives_a_frame_what_it_calls() -> None:
    assert stacks(transform.cut_after(profile(STACKS), "^a$")) == {("main", "a"): 3, ("main", "c"): 4, (): 8}


def test_recursion_is_one_frame() -> None:
    known: Stacks = {("f", "f", "f", "b"): 1, ("f", "g", "f", "b"): 2, ("f",): 4}
    assert stacks(transform.collapse_recursion(profile(known))) == {
        ("f", "b"): 1,
        ("f", "g", "f", "b"): 2,
        ("f",): 4,
    }


def test_recursion_through_others_is_one_frame() -> None:
    known: Stacks = {("a", "f", "g", "f", "b"): 2, ("a", "f", "g"): 1, ("f", "g", "h", "g", "f"): 4}
    assert stacks(transform.collapse_recursion(profile(known), indirect=True)) == {
        ("a", "f", "b"): 2,
        ("a", "f", "g"): 1,
        ("f",): 4,
    }


def test_reverse_puts_the_innermost_frame_first() -> None:
    reversed_ = transform.reverse(profile(STACKS))
    assert stacks(reversed_) == {("b", "a", "main"): 1, ("a", "main"): 2, ("c", "main"): 4, (): 8}


@given(known=stacks_of)
def test_reversed_twice_is_the_same(known: Stacks) -> None:
    assert stacks(transform.reverse(transform.reverse(profile(known)))) == known


def test_scale_keeps_whole_weights_whole() -> None:
    assert stacks(transform.scale(profile({("a",): 3}), 2.0)) == {("a",): 6}
    assert transform.scale(profile({("a",): 3}), 0.5).total == 1.5


@pytest.mark.parametrize("factor", [0, -1, float("nan"), float("inf"), 1e308])
def test_a_factor_that_makes_no_weights_is_refused(factor: float) -> None:
    with pytest.raises(OptionError, match="factor"):
        transform.scale(profile({("a",): 1000}), factor)


def test_rename_joins_what_comes_to_be_equal() -> None:
    known: Stacks = {("w-1", "f"): 1, ("w-2", "f"): 2, ("w-2",): 4}
    assert stacks(transform.rename(profile(known), r"^(\w)-\d+$", r"\1")) == {("w", "f"): 3, ("w",): 4}


def test_renamed_to_nothing_is_hidden() -> None:
    assert stacks(transform.rename(profile({("a", "b"): 1}), "^a$", "")) == {("b",): 1}


def test_names_that_are_not_renamed_stay_as_they_are() -> None:
    before = Profile([-1, 0], [0, 1], [0, 1], [b"", b"\xff"])
    assert b"\xff" in transform.rename(before, "x", "y").names


def test_line_numbers_are_dropped() -> None:
    known: Stacks = {("f (a.py:1)", "g"): 1, ("f (a.py:2)", "g"): 2, ("f (b.py:2)",): 4}
    assert stacks(transform.drop_line_numbers(profile(known))) == {("f (a.py)", "g"): 3, ("f (b.py)",): 4}


def test_stacks_are_grouped_by_thread() -> None:
    known: Stacks = {
        ('process 1:"x"', "thread (0x1): Main", "f"): 1,
        ('process 2:"x"', "thread (0x2): Main", "f"): 2,
        ('process 2:"x"', "thread (0x3)", "g"): 4,
        ('process 2:"x"', "f"): 8,
        ("above", "thread: Main", "f"): 16,
    }
    assert stacks(transform.group_by_thread(profile(known))) == {
        ("Main", "f"): 3,
        ("0x3", "g"): 4,
        ("[no thread]", "f"): 8,
        ("Main", "above", "f"): 16,
    }


def test_threads_and_processes_are_dropped() -> None:
    known: Stacks = {('process 1:"x"', "thread (0x1): Main", "f"): 1, ("f",): 2}
    assert stacks(transform.drop_threads(profile(known))) == {("f",): 3}


def test_deep_stacks_need_no_call_stack() -> None:
    deep = profile({("f", "g") * 25_000: 1})
    assert stacks(transform.collapse_recursion(deep, indirect=True)) == {("f", "g"): 1}
    assert transform.reverse(deep).total == transform.hide(deep, "^g$").total == 1


def test_a_hostile_pattern_is_a_sentence() -> None:
    with pytest.raises(OptionError, match="given up"):
        transform.focus(profile({("a" * 60 + "!",): 1}), "(a+)+$")


def test_a_branch_does_not_close_what_is_open_in_another() -> None:
    known: Stacks = {("f", "g", "f", "b", "g"): 1, ("f", "g", "x", "g"): 2, ("f", "g", "a", "g"): 4}
    assert stacks(transform.collapse_recursion(profile(known), indirect=True)) == {
        ("f", "b", "g"): 1,
        ("f", "g"): 6,
    }


def test_recursion_is_collapsed_in_time_that_grows_with_depth() -> None:
    names = tuple(f"f{at}" for at in range(20_000))
    deep = profile({names + ("b", "c") * 10_000: 1})
    assert stacks(transform.collapse_recursion(deep, indirect=True)) == {(*names, "b", "c"): 1}


@given(known=stacks_of)
def test_no_stack_holds_a_function_twice_when_recursion_is_gone(known: Stacks) -> None:
    result = transform.collapse_recursion(profile(known), indirect=True)
    assert all(len(set(frames)) == len(frames) for frames in stacks(result))
    ends = {frames[-1:]: 0.0 for frames in known}
    for frames, weight in known.items():
        ends[frames[-1:]] += weight
    found = dict.fromkeys(ends, 0.0)
    for frames, weight in stacks(result).items():
        found[frames[-1:]] += weight
    assert found == ends
