import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flamegraph import OptionError, Profile
from flamegraph.check import Limits, check
from flamegraph.errors import VerdictError
from flamegraph.report import verdict_github, verdict_json, verdict_text
from tests.flamegraph.calibration import alarms, power, synthetic
from tests.flamegraph.test_diff import of

BASE = of(("main;serve;read", 600), ("main;serve;write", 300), ("main;idle", 100))


def test_an_empty_profile_cannot_be_judged() -> None:
    with pytest.raises(VerdictError, match=r"The base is empty: there is nothing to judge\."):
        check(of(), BASE)
    with pytest.raises(VerdictError, match=r"The new profile is empty"):
        check(BASE, of())


def test_samples_without_a_function_are_ok() -> None:
    bare = Profile.from_stacks([((), 1_000)])
    assert verdict_text(check(bare, bare)).startswith("ok:")


def test_too_few_samples_cannot_be_judged() -> None:
    with pytest.raises(
        VerdictError, match=r"The new profile has 10 samples; fewer than 300 cannot be judged\. Pro"
    ):
        check(BASE, of(("main", 10)))
    assert check(BASE, of(("main;idle", 10)), limits=Limits(samples=10)).findings


def test_a_profile_is_ok_against_itself() -> None:
    verdict = check(BASE, BASE)
    assert (verdict.ok, verdict.exit_code, verdict.findings, verdict.judged) == (True, 0, (), 5)
    assert verdict_text(verdict).startswith("ok: no function grew beyond the limits.\n")


def test_the_function_that_grew_is_found_and_its_callers_are_not() -> None:
    new = of(("main;serve;read", 600), ("main;serve;write", 900), ("main;idle", 100))
    verdict = check(BASE, new)
    (finding,) = verdict.findings
    assert (finding.name, finding.kind, verdict.exit_code) == ("write", "self", 1)
    assert finding.path == ("main", "serve", "write")
    assert (finding.base, finding.new) == pytest.approx((0.3, 0.5625))
    assert finding.growth == pytest.approx(0.2625)
    assert finding.z is not None
    assert finding.interval is not None
    assert finding.interval[0] < finding.growth < finding.interval[1]


def test_growth_is_placed_where_it_grew_most() -> None:
    base = of(("a;f", 100), ("b;f", 100), ("c", 800))
    (finding,) = check(base, of(("a;f", 110), ("b;f", 500), ("c", 800))).findings
    assert finding.path == ("b", "f")


def test_a_new_function_over_the_least_share_is_a_finding() -> None:
    verdict = check(
        BASE, of(("main;serve;read", 600), ("main;serve;write;check", 120), ("main;serve;write", 300))
    )
    assert ("check", "new") in [(finding.name, finding.kind) for finding in verdict.findings]
    few = of(
        ("main;serve;read", 6000),
        ("main;serve;write;check", 40),
        ("main;serve;write", 3000),
        ("main;idle", 1000),
    )
    assert check(BASE, few).ok


def test_a_new_function_needs_no_growth_but_the_least_share() -> None:
    base, new = of(("main", 100_000)), of(("main", 98_500), ("main;new", 1_500))
    assert check(base, new, limits=Limits(growth=0.05, share=0.01)).findings[0].name == "new"
    assert check(base, new, limits=Limits(growth=0.05, share=0.02)).ok


def test_a_wrapper_around_what_was_there_is_no_finding() -> None:
    wrapped = of(("main;wrapper;serve;read", 600), ("main;wrapper;serve;write", 300), ("main;idle", 100))
    assert check(BASE, wrapped).ok


def test_code_that_moved_to_another_caller_is_no_finding() -> None:
    base = of(("main;old;parse", 300), ("main;young;draw", 700))
    assert check(base, of(("main;young;parse", 300), ("main;young;draw", 700))).ok


def test_growth_spread_over_many_small_callees_is_found_at_their_caller() -> None:
    helpers = [f"h{i}" for i in range(20)]
    base = of(*((f"main;serve;work;{name}", 30) for name in helpers), ("main;idle", 9_400))
    new = of(*((f"main;serve;work;{name}", 90) for name in helpers), ("main;idle", 9_400))
    verdict = check(base, new)
    assert [(f.name, f.kind, f.path) for f in verdict.findings] == [
        ("work", "callees", ("main", "serve", "work"))
    ]
    assert verdict.findings[0].growth == pytest.approx(0.161 - 0.06, abs=0.01)


@pytest.mark.parametrize(
    "limits",
    [
        Limits(growth=0.3),
        Limits(relative=1),
        Limits(z=100),
        Limits(share=0.6),
    ],
)
def test_each_limit_alone_lets_a_growth_pass(limits: Limits) -> None:
    new = of(("main;serve;read", 600), ("main;serve;write", 900), ("main;idle", 100))
    assert check(BASE, new, limits=limits).ok


def test_growth_within_the_spread_of_the_baselines_is_no_finding() -> None:
    def run(write: int) -> Profile:
        return of(("main;read", 10_000 - write), ("main;write", write))

    steady, wild = [run(1_000), run(1_010), run(990)], [run(1_000), run(1_900), run(500)]
    assert check(steady[0], run(2_000), baselines=steady[1:]).findings[0].name == "write"
    assert check(wild[0], run(2_000), baselines=wild[1:]).ok
    assert check(wild[0], run(9_000), baselines=wild[1:], limits=Limits(z=0)).findings[
        0
    ].floor == pytest.approx(0.14)


def test_the_floor_alone_holds_where_samples_are_unknown() -> None:
    def run(cache: int) -> Profile:
        return of(("main", 1_000), ("main;cache", cache), unit="bytes")

    assert check(run(1_000), run(1_300)).findings[0].z is None
    assert check(run(1_000), run(1_300), baselines=[run(1_500)]).ok
    assert "How sure cannot be told" in verdict_text(check(run(1_000), run(1_300)))


def test_weights_as_they_are_are_judged_when_both_did_the_same_work() -> None:
    # All shares but one grow when that one is made faster; the weights themselves do not.
    new = of(("main;serve;read", 100), ("main;serve;write", 300), ("main;idle", 100))
    assert not check(BASE, new).ok
    assert check(BASE, new, normalize=False).ok
    slow = of(("main;serve;read", 1_200), ("main;serve;write", 300), ("main;idle", 100))
    (finding,) = check(BASE, slow, baselines=[BASE], normalize=False).findings
    assert (finding.name, finding.base, finding.new) == ("read", 0.6, 1.2)


def test_the_largest_growth_comes_first() -> None:
    new = of(("main;serve;read", 600), ("main;serve;write", 900), ("main;idle", 600))
    growths = [finding.growth for finding in check(BASE, new).findings]
    assert len(growths) == 2
    assert growths == sorted(growths, reverse=True)


@pytest.mark.parametrize("limits", [Limits(growth=-1), Limits(z=float("nan")), Limits(share=float("inf"))])
def test_limits_that_are_none_are_refused(limits: Limits) -> None:
    with pytest.raises(OptionError, match="must be 0 or more"):
        check(BASE, BASE, limits=limits)


def test_units_must_agree() -> None:
    with pytest.raises(OptionError, match="compare one unit"):
        check(BASE, of(("a", 1), unit="bytes"))


def test_the_text_names_the_function_its_growth_and_its_place() -> None:
    lines = verdict_text(
        check(BASE, of(("main;serve;read", 600), ("main;serve;wri\x1bte", 900)))
    ).splitlines()
    assert lines[0] == "REGRESSION: 1 function grew beyond the limits."
    assert lines[1].startswith("  wri te +60.00 points (+")
    assert lines[1].endswith(", new: 0.00% -> 60.00%")
    assert lines[2] == "    under main > serve"
    assert any(line.startswith("Limits: growth over 1 points and 10 % of the base, z 3.5") for line in lines)


def test_a_function_without_callers_stands_under_the_root_and_long_paths_are_cut() -> None:
    assert "    under the root\n" in verdict_text(
        check(of(("a", 900), ("b", 100)), of(("a", 300), ("b", 700)))
    )
    text = verdict_text(check(of(("a", 900)), of(("a", 300), ("p;q;r;s;t;u", 700))))
    assert "    under ... > q > r > s > t\n" in text


def test_the_text_says_that_shares_grow_when_another_function_shrinks() -> None:
    faster = of(("main;serve;read", 100), ("main;serve;write", 300), ("main;idle", 100))
    text = verdict_text(check(BASE, faster))
    assert "Note: read shrank by 40.00 points." in text
    assert "all other shares grow by a factor of 2.00" in text
    slower = of(("main;serve;read", 600), ("main;serve;write", 900), ("main;idle", 100))
    assert "Note:" not in verdict_text(check(BASE, slower))


def test_the_json_holds_every_figure() -> None:
    verdict = check(BASE, of(("main;serve;read", 600), ("main;serve;write", 900), ("main;idle", 100)))
    told = json.loads(verdict_json(verdict))
    assert (told["verdict"], told["unit"], told["judged"], told["baselines"]) == (
        "regression",
        "samples",
        5,
        1,
    )
    assert told["base"] == {"total": 1000, "samples": 1000}
    assert told["limits"]["z"] == 3.5
    (finding,) = told["findings"]
    assert (finding["name"], finding["kind"], finding["path"]) == (
        "write",
        "self",
        ["main", "serve", "write"],
    )
    assert json.loads(verdict_json(check(BASE, BASE)))["verdict"] == "ok"


def test_annotations_are_escaped_and_stand_at_the_line_the_name_holds() -> None:
    name = "f::x,\n%0A\r (pkg/a,b.py:12)"
    text = verdict_github(check(BASE, of(("main;serve;read", 600), (f"main;{name}", 900))))
    assert text.count("\n") == 1
    assert text.startswith(
        "::error file=pkg/a%2Cb.py,line=12,title=flamegraph check::f::x, %250A  (pkg/a,b.py:12) +60.00 points"
    )
    assert "new: 0.00%25 -> 60.00%25" in text
    assert verdict_github(check(BASE, BASE)) == (
        "::notice title=flamegraph check::ok: no function grew beyond the limits.\n"
    )


@pytest.mark.parametrize("name", ["plain", "f (/abs/a.py:1)", "f (<frozen x>:1)", "f (a.py)"])
def test_a_name_without_a_place_in_the_repository_is_annotated_without_one(name: str) -> None:
    text = verdict_github(check(BASE, of(("main;serve;read", 600), (f"main;{name}", 900))))
    assert text.startswith("::error title=flamegraph check::")


@given(st.lists(st.tuples(st.lists(st.sampled_from("abcd"), max_size=4), st.integers(0, 900)), max_size=9))
def test_no_profile_is_worse_than_itself(stacks: list[tuple[list[str], int]]) -> None:
    profile = Profile.from_stacks([*stacks, (["z"], 300)])
    assert check(profile, profile, baselines=[profile]).ok


def test_resampled_runs_of_one_program_do_not_alarm() -> None:
    # The figures in `check` come from ten times as many: python -m tests.flamegraph.calibration.
    assert alarms(synthetic(), samples=2_000, runs=40, limits=Limits()) <= 1
    assert alarms(synthetic(), samples=2_000, runs=20, limits=Limits(), baselines=3) <= 1


def test_resampled_regressions_are_found_and_the_cause_is_named_first() -> None:
    result = power(synthetic(), samples=8_000, runs=12, limits=Limits(), share=0.05, points=0.05)
    assert (result.found, result.named) == (12, 12)
