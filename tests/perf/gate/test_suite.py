"""Rounds and verdicts on arms whose costs are known, and arms that fail."""

import itertools
import random
from collections.abc import Callable, Collection, Sequence

import pytest

from diag.perf.gate.result import Result
from diag.perf.gate.suite import AGAIN, BASE, HEAD, Costs, Crashed, Suite
from flamegraph.paired import Plan, Verdict

PLAN = Plan(looks=(10, 20, 40))


class Machine:
    """Costs of 1 with a little noise, times a factor for a label and a benchmark; it counts rounds."""

    def __init__(self, factors: dict[tuple[str, str], float] | None = None, noise: float = 0.003) -> None:
        self.factors = factors or {}
        self.noise = noise
        self.asked: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
        self.lot = random.Random(1)

    def __call__(self, labels: Sequence[str], names: Collection[str]) -> list[Costs]:
        self.asked.append((tuple(labels), tuple(names)))
        return [{name: self.cost(label, name) for name in names} for label in labels]

    def cost(self, label: str, name: str) -> float:
        return self.factors.get((label, name), 1.0) * (1 + self.lot.gauss(0, self.noise))


def ignore(results: Sequence[Result], rounds: int, seconds: float) -> None:
    pass


def run(
    machine: Callable[[Sequence[str], Collection[str]], list[Costs]], *names: str, seconds: float = 60
) -> Suite:
    suite = Suite(dict.fromkeys(names, "request"), machine, plan=PLAN, seconds=seconds)
    suite.run(ignore)
    return suite


def verdicts(suite: Suite) -> dict[str, Verdict | None]:
    return {result.name: result.verdict for result in suite.results()}


def test_no_benchmarks() -> None:
    assert run(Machine()).results() == []


def test_the_same_costs_pass_at_the_first_look() -> None:
    suite = run(Machine(), "get", "put")
    assert verdicts(suite) == {"get": Verdict.PASS, "put": Verdict.PASS}
    assert suite.rounds == 10


def test_a_dearer_head_fails_and_the_other_benchmarks_do_not() -> None:
    suite = run(Machine({(HEAD, "put"): 1.06}), "get", "put")
    assert verdicts(suite) == {"get": Verdict.PASS, "put": Verdict.FAIL}


def test_a_cheaper_head_passes() -> None:
    assert verdicts(run(Machine({(HEAD, "put"): 0.9}), "put")) == {"put": Verdict.PASS}


def test_noise_cannot_be_told_from_it_and_every_pair_is_used() -> None:
    suite = run(Machine(noise=0.2), "put")
    assert verdicts(suite) == {"put": Verdict.UNCLEAR}
    assert suite.rounds == 40


def test_what_is_decided_is_measured_no_more() -> None:
    machine = Machine({(HEAD, "put"): 1.03}, noise=0.012)
    run(machine, "put", "get")
    assert all(names == ("put",) or names == ("get",) or "put" in names for _, names in machine.asked)
    assert len({names for _, names in machine.asked}) > 1


def test_base_is_measured_against_itself_between_the_first_look_and_the_second() -> None:
    machine = Machine(noise=0.2)
    run(machine, "put")
    looks = [(BASE, HEAD)] * 10 + [(BASE, HEAD, AGAIN)] * 10 + [(BASE, HEAD)] * 20
    assert [labels for labels, _ in machine.asked] == looks


def test_no_head_fails_before_base_has_met_itself() -> None:
    machine = Machine({(HEAD, "put"): 1.5})
    told: list[Verdict | None] = []
    suite = Suite({"put": "request"}, machine, plan=PLAN, seconds=60)
    suite.run(lambda results, rounds, seconds: told.append(results[0].verdict))
    assert told == [Verdict.UNCLEAR] * 19 + [Verdict.FAIL]


def test_a_base_that_differs_from_itself_is_no_measure() -> None:
    suite = run(Machine({(AGAIN, "put"): 1.05, (HEAD, "put"): 1.05}), "put")
    (result,) = suite.results()
    assert result.verdict is Verdict.UNCLEAR
    assert "this machine cannot judge" in result.reason


def test_the_time_is_up() -> None:
    suite = run(Machine(noise=0.2), "put", seconds=0.0)
    assert suite.rounds <= 2
    assert set(verdicts(suite).values()) == {Verdict.UNCLEAR}


def test_an_interrupt_keeps_what_was_measured() -> None:
    machine = Machine()
    turns = itertools.count()

    def interrupted(labels: Sequence[str], names: Collection[str]) -> list[Costs]:
        if next(turns) == 4:
            raise KeyboardInterrupt
        return machine(labels, names)

    suite = run(interrupted, "put")
    assert suite.interrupted
    (result,) = suite.results()
    assert result.pairs is not None
    assert len(result.pairs) == suite.rounds == 4


@pytest.mark.parametrize(
    ("broken", "verdict", "reason"),
    [
        ({HEAD}, Verdict.FAIL, "Head fails at put, and base does not."),
        ({BASE, AGAIN}, Verdict.UNCLEAR, "Base fails at put"),
        ({BASE, HEAD, AGAIN}, Verdict.UNCLEAR, "Both sides fail at put."),
    ],
)
def test_a_crash(broken: set[str], verdict: Verdict, reason: str) -> None:
    machine = Machine()

    def breaking(labels: Sequence[str], names: Collection[str]) -> list[Costs]:
        for label in labels:
            if label in broken and "put" in names:
                raise Crashed(label, "put", "Traceback: on purpose")
        return machine(labels, names)

    suite = run(breaking, "get", "put")
    get, put = suite.results()
    assert (get.verdict, put.verdict) == (Verdict.PASS, verdict)
    assert put.reason.startswith(reason)
    assert put.output == "Traceback: on purpose"


def test_a_crash_that_does_not_come_again_is_a_note() -> None:
    machine = Machine()
    turns = itertools.count()

    def once(labels: Sequence[str], names: Collection[str]) -> list[Costs]:
        if next(turns) == 2:
            raise Crashed(HEAD, "put", "gone")
        return machine(labels, names)

    suite = run(once, "put")
    assert verdicts(suite) == {"put": Verdict.PASS}
    assert suite.notes == ["put failed on head: gone It did so once and not again; the round was left out."]
