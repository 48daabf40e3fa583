import time
from contextlib import suppress

import pytest

from flamegraph import OptionError
from flamegraph.patterns import matches, replaced

HOSTILE = ["(a+)+$", "(a|a)*$", "(.*a){30}$", "a*a*a*a*a*a*a*a*b", "(a|a)(a|a)(a|a)" * 12 + "c", r"(a*)*\1b"]


def test_nothing_to_match_is_nothing() -> None:
    assert matches("a", []) == []
    assert replaced("a", "b", []) == []


@pytest.mark.parametrize("pattern", ["b.*d", "(b|x)(.*)+d$"])
def test_both_ways_of_matching_agree(pattern: str) -> None:
    names = ["abcd", "", "acd", "b\ud800d", "日b日d"]
    assert matches(pattern, names) == [True, False, False, True, True]


@pytest.mark.parametrize("pattern", [r"(\w+)\.(\w+)", r"((?:\w)+)\.(\w+)"])
def test_both_ways_of_replacing_agree(pattern: str) -> None:
    assert replaced(pattern, r"\2.\1", ["a.b", "c", "é.\udcff"]) == ["b.a", "c", "é.\udcff"]


@pytest.mark.parametrize("pattern", HOSTILE)
def test_hostile_patterns_end(pattern: str) -> None:
    started = time.monotonic()
    names = ["a" * 40 + "!", "a" * 3000 + "!"]
    with suppress(OptionError):
        assert matches(pattern, names, seconds=1.0) == [False, False]
    assert time.monotonic() - started < 20


def test_a_hostile_replacement_ends() -> None:
    with pytest.raises(OptionError, match="given up"):
        replaced("(a+)+$", "b", ["a" * 60 + "!"], seconds=1.0)


def test_many_names_of_bounded_cost_end() -> None:
    with pytest.raises(OptionError, match="given up"):
        matches("x.*x.*y", ["x" * 90] * 100_000, seconds=0.2)


@pytest.mark.parametrize("pattern", ["(", "a" * 1001, "*", "(?P<a>x)(?P<a>y)", "(" * 500 + ")" * 500])
def test_what_is_no_pattern_is_a_sentence(pattern: str) -> None:
    with pytest.raises(OptionError, match=r"regular expression|characters"):
        matches(pattern, ["x"])


@pytest.mark.parametrize("replacement", [r"\1", r"\g<name>", r"\g<", "b" * 1001, "\\q"])
def test_what_is_no_replacement_is_a_sentence(replacement: str) -> None:
    with pytest.raises(OptionError, match="replacement"):
        replaced("a", replacement, ["a"])


def test_results_are_bounded() -> None:
    with pytest.raises(OptionError, match="more than 65,536"):
        replaced("", "b" * 1000, ["a" * 100])
