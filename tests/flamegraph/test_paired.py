import math
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flamegraph import OptionError
from flamegraph.paired import (
    Judgement,
    Pairs,
    Plan,
    Verdict,
    effect,
    judge,
    judge_suite,
    permutation_p,
    unfit,
)

COSTS = st.floats(1e-6, 1e6)
PAIRS = st.lists(st.tuples(COSTS, COSTS), min_size=1, max_size=30).map(
    lambda pairs: Pairs(tuple(base for base, _ in pairs), tuple(head for _, head in pairs))
)


def test_nothing_is_not_judged() -> None:
    nothing = Pairs((), ())
    assert judge_suite({}) == {}
    for refused in (
        lambda: judge(nothing),
        lambda: effect(nothing),
        lambda: permutation_p(nothing),
        lambda: unfit(nothing, Plan()),
    ):
        with pytest.raises(OptionError):
            refused()


@pytest.mark.parametrize("cost", [0.0, -1.0, math.nan, math.inf])
def test_a_cost_is_a_number_above_zero(cost: float) -> None:
    with pytest.raises(OptionError, match="must be a number above 0"):
        Pairs((1.0,), (cost,))


def test_pairs_have_two_sides() -> None:
    with pytest.raises(OptionError, match="2 of base and 1 of head"):
        Pairs((1.0, 2.0), (1.0,))


@pytest.mark.parametrize(
    "arguments",
    [{"looks": ()}, {"looks": (20, 10)}, {"looks": (0, 5)}, {"floor": -0.1}, {"alpha": 0}, {"missed": 0.5}],
)
def test_what_is_no_plan_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        Plan(**arguments)  # type: ignore[arg-type]


@given(PAIRS)
def test_the_same_costs_twice_give_one(pairs: Pairs) -> None:
    same = Pairs(pairs.base, pairs.base)
    assert permutation_p(same) == 1
    assert permutation_p(same, 0.0) == 1
    assert effect(same).ratio == 1


@given(PAIRS)
def test_swapping_the_sides_turns_the_effect(pairs: Pairs) -> None:
    seen, turned = effect(pairs), effect(pairs.swapped())
    assert turned.ratio == pytest.approx(1 / seen.ratio)
    assert turned.low == pytest.approx(0 if seen.high == math.inf else 1 / seen.high)
    assert (turned.high == math.inf) if seen.low == 0 else turned.high == pytest.approx(1 / seen.low)


@given(PAIRS, COSTS)
def test_the_unit_of_costs_does_not_matter(pairs: Pairs, unit: float) -> None:
    scaled = Pairs(tuple(cost * unit for cost in pairs.base), tuple(cost * unit for cost in pairs.head))
    assert effect(scaled).ratio == pytest.approx(effect(pairs).ratio)


def test_a_constant_growth_fails_and_a_constant_cost_passes() -> None:
    for count in Plan().looks:
        grown = judge(Pairs((1.0,) * count, (1.2,) * count))
        assert (grown.verdict, round(grown.effect.ratio, 6)) == (Verdict.FAIL, 1.2)
        assert judge(Pairs((1.0,) * count, (1.0,) * count)).verdict is Verdict.PASS
    # As bytes of memory do: a few values alternate, and the growth is hardly more than the floor.
    bytes_ = tuple(40e6 + 4096 * (at % 3) for at in range(40))
    assert judge(Pairs(bytes_, tuple(1.025 * value for value in bytes_))).verdict is Verdict.FAIL
    assert judge(Pairs(bytes_, tuple(1.015 * value for value in bytes_))).verdict is Verdict.PASS


def test_exactly_the_floor_is_neither() -> None:
    judged = judge(Pairs((1.0,) * 40, (1.02,) * 40))
    assert judged.verdict is Verdict.UNCLEAR


def test_a_certain_growth_below_the_floor_passes_and_an_uncertain_one_above_it_does_not_fail() -> None:
    certain = judge(Pairs((1.0,) * 40, (1.015,) * 40))
    assert (certain.verdict, certain.p < 1e-6) == (Verdict.PASS, True)
    uncertain = judge(_noisy(20, 1.05, 0.1, seed=0))
    assert uncertain.effect.ratio > 1.02
    assert (uncertain.verdict, uncertain.p > 0.01) == (Verdict.UNCLEAR, True)


def test_less_cost_passes_and_says_how_much_less() -> None:
    judged = judge(Pairs((1.0,) * 20, (0.9,) * 20))
    assert judged.verdict is Verdict.PASS
    assert "-10.0%" in judged.reason


def _noisy(count: int, growth: float, spread: float, seed: int = 1) -> Pairs:
    random = Random(seed)
    return Pairs(
        tuple(random.lognormvariate(0, spread) for _ in range(count)),
        tuple(growth * random.lognormvariate(0, spread) for _ in range(count)),
    )


def test_too_few_or_too_noisy_pairs_cannot_tell_and_the_interval_says_why() -> None:
    few = judge(_noisy(3, 1.5, 0.01))
    assert few.verdict is Verdict.UNCLEAR
    assert (few.effect.low, few.effect.high) == (0, math.inf)
    assert "anything" in few.reason
    wild = judge(_noisy(40, 1.05, 0.5, seed=3))
    assert wild.verdict is Verdict.UNCLEAR
    assert wild.effect.low < 1.02 < wild.effect.high


def test_the_interval_that_lets_pass_is_the_one_reported() -> None:
    for seed in range(40):
        judged = judge(_noisy(20, 1.01, 0.02, seed))
        assert (judged.verdict is Verdict.PASS) == (judged.effect.high < 1.02)


def test_a_machine_that_finds_the_same_code_different_cannot_judge() -> None:
    biased, even = _noisy(20, 1.03, 0.005), _noisy(20, 1.0, 0.05)
    assert unfit(even, Plan()) is None
    assert unfit(_noisy(20, 1.005, 0.0005), Plan()) is None, "less than half of the floor does no harm"
    for pairs in (biased, biased.swapped()):
        assert "differs by" in str(unfit(pairs, Plan()))
    for growth in (1.0, 1.5):
        judged = judge(_noisy(20, growth, 0.001), biased)
        assert judged.verdict is Verdict.UNCLEAR
        assert "cannot judge" in judged.reason
    assert judge(_noisy(20, 1.5, 0.001), even).verdict is Verdict.FAIL


def test_a_test_pays_for_its_company() -> None:
    pairs = _noisy(20, 1.04, 0.012)
    alone = judge(pairs)
    suite = {"grown": pairs} | {str(at): _noisy(20, 1.0, 0.02, at) for at in range(20)}
    judged = judge_suite(suite)
    assert judged["grown"].p > alone.p
    assert judged["grown"].effect == alone.effect
    assert list(judged) == list(suite)


def test_each_look_spends_its_share_of_alpha() -> None:
    plan = Plan(looks=(10, 20, 40))
    assert sum(plan.share(look) for look in plan.looks) == pytest.approx(1)
    assert plan.share(3) == plan.share(10), "an interrupted look is judged as the one it would have been"
    assert plan.share(15) == plan.share(20)
    assert plan.share(100) == plan.share(40)


def test_each_look_may_miss_as_much_as_any_other() -> None:
    plan = Plan(looks=(10, 20, 40), missed=0.06)
    for look in plan.looks:
        assert judge(_noisy(look, 1.0, 0.01), None, plan).effect.confidence == pytest.approx(0.96)


# Noise as a machine makes it: so many factors one after the other, on whichever side is measured then.


def _heavy(random: Random, count: int) -> list[float]:
    return [1 + random.paretovariate(0.8) for _ in range(count)]


def _drifting(random: Random, count: int) -> list[float]:
    steps = [random.choice((1.0, 1.0, 1.0, 1.4)) for _ in range(count)]
    return [(1 + 0.02 * at) * step * random.lognormvariate(0, 0.02) for at, step in enumerate(steps)]


def _autocorrelated(random: Random, count: int) -> list[float]:
    level, levels = 0.0, []
    for _ in range(count):
        level = 0.95 * level + random.gauss(0, 0.1)
        levels.append(math.exp(level))
    return levels


def _bimodal(random: Random, count: int) -> list[float]:
    return [random.choice((1.0, 1.8)) + random.gauss(0, 0.001) for _ in range(count)]


Noise = Callable[[Random, int], list[float]]
NOISES: list[Noise] = [_heavy, _drifting, _autocorrelated, _bimodal]


def _measured(noise: Noise, random: Random, count: int, growth: float = 1.0) -> Pairs:
    factors = noise(random, 2 * count)
    pairs = []
    for first, second in zip(factors[::2], factors[1::2], strict=True):
        base, head = (first, second) if random.random() < 0.5 else (second, first)
        pairs.append((base, growth * head))
    return Pairs(tuple(base for base, _ in pairs), tuple(head for _, head in pairs))


def _most(trials: int, chance: float) -> float:
    """What a binomial count exceeds once in 30,000 cases or less often."""
    return trials * chance + 4 * math.sqrt(trials * chance * (1 - chance)) + 1


@pytest.mark.parametrize("noise", NOISES)
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(6, 24), floor=st.sampled_from([0.0, 0.02]))
def test_p_is_never_too_small_whatever_the_noise(noise: Noise, seed: int, count: int, floor: float) -> None:
    random, trials = Random(seed), 300
    ps = [permutation_p(_measured(noise, random, count, 1 + floor), floor) for _ in range(trials)]
    for chance in (0.01, 0.05, 0.2, 0.5):
        assert sum(p <= chance for p in ps) <= _most(trials, chance)


@pytest.mark.parametrize("noise", NOISES)
def test_a_suite_at_every_look_together_alarms_as_rarely_as_planned(noise: Noise) -> None:
    random, trials, plan = Random(4), 150, Plan(looks=(8, 16, 24), alpha=0.05)

    def looked_at(suite: dict[str, Pairs]) -> list[Judgement]:
        looks = [{name: pairs.first(look) for name, pairs in suite.items()} for look in plan.looks]
        return [judged for look in looks for judged in judge_suite(look, None, plan).values()]

    alarms = sum(
        any(
            judged.verdict is Verdict.FAIL
            for judged in looked_at({str(at): _measured(noise, random, 24) for at in range(3)})
        )
        for _ in range(trials)
    )
    assert alarms <= _most(trials, plan.alpha)


def test_a_growth_is_found_in_quiet_and_in_wild_noise() -> None:
    random = Random(9)
    assert judge(_measured(_bimodal, random, 40, 1.6)).verdict is Verdict.FAIL
    for noise in (_heavy, _drifting, _autocorrelated):
        assert judge(_measured(noise, random, 40, 5.0)).verdict is Verdict.FAIL
