import pytest

from diag.perf.gate.tally import Tally, at_most


def test_no_trials_say_nothing() -> None:
    assert at_most(0, 0) == 1


# One-sided 95 % bounds: of none in n it is 1 - 0.05 ** (1 / n); the others by the binomial's sum.
@pytest.mark.parametrize(
    ("count", "trials", "bound"),
    [
        (0, 300, 0.00994),
        (0, 30, 0.0950),
        (2, 300, 0.02084),
        (3, 300, 0.02566),
        (5, 10, 0.7776),
        (10, 10, 1.0),
    ],
)
def test_bounds_are_clopper_and_pearsons(count: int, trials: int, bound: float) -> None:
    assert at_most(count, trials) == pytest.approx(bound, rel=2e-3)


def test_a_tally_says_what_was_seen_and_what_may_be() -> None:
    alarms = Tally(failed=3, passed=290, trials=300).figure("alarms", "<=", 0.01)
    assert alarms.met
    assert "3 of 300 fail, 290 pass" in alarms.detail
    assert "at most 2.6%" in alarms.detail
    found = Tally(failed=27, passed=0, trials=30).figure("found", ">=", 0.95)
    assert not found.met
    assert "at least 76.1%" in found.detail
