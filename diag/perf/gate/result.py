"""What a run of the gate found: one result a benchmark, and the verdict on all of them. Plain data."""

from dataclasses import dataclass, field
from typing import Final

from diag.perf.gate.source import Source
from flamegraph.paired import Judgement, Pairs, Verdict

#: By verdict; what cannot run at all has the code of UNCLEAR, and an interrupt its own.
EXIT_CODES: Final = {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.UNCLEAR: 2}
INTERRUPTED: Final = 130


@dataclass(frozen=True)
class Result:
    """One benchmark. ``unit`` is bytes, or what its CPU seconds are for.

    ``verdict`` is None for what was left out; ``reason`` is a sentence. ``judgement`` is None without pairs,
    as after a crash, whose words are in ``output``.
    """

    name: str
    unit: str
    verdict: Verdict | None
    reason: str
    pairs: Pairs | None = None
    again: Pairs | None = None
    judgement: Judgement | None = None
    output: str = ""


@dataclass(frozen=True)
class Report:
    """The whole run. ``causes`` are sentences, the most telling first; ``pictures`` are paths."""

    base: Source
    head: Source
    results: tuple[Result, ...]
    seconds: float
    rounds: int
    notes: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    interrupted: bool = False
    injected: str = ""
    machine: dict[str, str] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """Fail when any fails, pass when any passes, else nobody can tell."""
        found = {result.verdict for result in self.results}
        return next((each for each in (Verdict.FAIL, Verdict.PASS) if each in found), Verdict.UNCLEAR)

    @property
    def exit_code(self) -> int:
        """0 pass, 1 fail, 2 nobody can tell; 130 after an interrupt that had not found a failure yet."""
        if self.interrupted and self.verdict is not Verdict.FAIL:
            return INTERRUPTED
        return EXIT_CODES[self.verdict]

    def failed(self) -> list[Result]:
        """The benchmarks that failed, the largest growth first; those without pairs before all."""
        failed = [result for result in self.results if result.verdict is Verdict.FAIL]
        return sorted(
            failed, key=lambda each: -each.judgement.effect.ratio if each.judgement else float("-inf")
        )
