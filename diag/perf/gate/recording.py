"""Costs of equal and of slowed processes side by side, recorded once, to try the verdicts on ever after."""

import json
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from diag.errors import ConfigError
from flamegraph.paired import Pairs

BASE: Final = "base"
AGAIN: Final = "base again"
#: The arms that were slowed down, and by what share of the process's CPU time.
SLOWED: Final = {"5 % slower": 0.05, "10 % slower": 0.10}
ARMS: Final = (BASE, AGAIN, *SLOWED)

#: One round: by benchmark, the cost to each of ARMS, in their order.
Round = dict[str, list[float]]


@dataclass(frozen=True)
class Recording:
    """``about`` says when, where and how: text by topic. All arms of a round ran side by side."""

    about: dict[str, str]
    rounds: list[Round]

    @property
    def benchmarks(self) -> list[str]:
        """The benchmarks measured."""
        return list(self.rounds[0]) if self.rounds else []

    def pairs(self, benchmark: str, arm: str) -> Pairs:
        """Base and this arm in every round."""
        base, head = ARMS.index(BASE), ARMS.index(arm)
        costs = [each[benchmark] for each in self.rounds]
        return Pairs(tuple(cost[base] for cost in costs), tuple(cost[head] for cost in costs))

    def write(self, path: Path) -> None:
        """As JSON, a round a line."""
        rounds = ",\n".join(json.dumps(each) for each in self.rounds)
        path.write_text(f'{{"about": {json.dumps(self.about, indent=1)},\n"rounds": [\n{rounds}\n]}}\n')


def read(path: Path) -> Recording:
    """Raises ConfigError for what is no recording."""
    try:
        found = json.loads(path.read_text())
        return Recording(found["about"], found["rounds"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is no recording of pairs: {error}.") from None


def drawn(pairs: Pairs, count: int, random: Random) -> Pairs:
    """So many pairs out of these, any of them several times."""
    chosen = [random.randrange(len(pairs)) for _ in range(count)]
    return Pairs(tuple(pairs.base[at] for at in chosen), tuple(pairs.head[at] for at in chosen))


def scaled(pairs: Pairs, factor: float) -> Pairs:
    """The same pairs with so many times the cost of head."""
    return Pairs(pairs.base, tuple(cost * factor for cost in pairs.head))
