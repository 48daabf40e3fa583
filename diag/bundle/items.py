"""What a bundle asks each node for, and how long it waits for it.

A name says where the answer stands in the archive; those of one node are below a directory of its own, and
those of one moment below one of theirs.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

SOON: Final = 5.0
#: A node that takes longer for its own status is silent.
STATUS_SECONDS: Final = 2.0
#: A profile starts its engine and is folded; a memory profile is read back.
PROFILE_MARGIN: Final = 30.0
LINES: Final = 5000
#: A node that does not say this is taken to be silent.
STATUS: Final = "/v1/cluster/status"

#: The longest that one profile of a bundle takes, in seconds.
_MOST_PROFILE: Final = 10.0


@dataclass(frozen=True, slots=True)
class Item:
    """``path`` of the admin API with its query, waited for ``within`` seconds.

    ``text`` is searched for secrets. ``picture`` is the name of the kept profile's picture, if there is to be
    one. ``optional`` is what nodes of other versions, or with other settings, may not have.
    """

    name: str
    path: str
    within: float = SOON
    text: bool = True
    picture: str | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, how often, and with what. Seconds; ``profiles`` False leaves them out."""

    duration: float = 30.0
    interval: float = 10.0
    profiles: bool = True
    moments: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "moments", int(self.duration // self.interval) + 1)

    @property
    def notes(self) -> tuple[str, ...]:
        """What whoever asked may not have meant, in words."""
        if self.moments > 1:
            return ()
        return (
            f"Status and metrics are taken once: the duration of {self.duration:g} s is shorter than the "
            f"interval of {self.interval:g} s.",
        )

    @property
    def profile_seconds(self) -> float:
        """Of each profile: they are taken one after the other, and not for longer than the bundle takes."""
        return round(max(0.5, min(_MOST_PROFILE, self.duration / 3)), 1)


def once() -> Iterator[Item]:
    """What is asked one time of each node."""
    yield Item("status.json", STATUS, STATUS_SECONDS)
    yield Item("facts.json", "/debug/doctor/facts")
    yield Item("nodes.json", "/v1/cluster/nodes")
    yield Item("config.toml", "/v1/config")
    yield Item("threads-and-tasks.txt", "/debug/pprof/threads")
    yield Item("threads-and-tasks.json", "/debug/pprof/threads?format=json")
    yield Item("profiles.json", "/debug/profiles")
    yield Item("slow.json", "/debug/slow?format=json", optional=True)
    yield Item("log.txt", f"/debug/log?source=node&lines={LINES}", optional=True)
    yield Item("etcd-log.txt", f"/debug/log?source=etcd&lines={LINES}", optional=True)


def at_each_moment(moment: int) -> Iterator[Item]:
    """What is asked again and again."""
    yield Item(f"moments/{moment:03}/status.json", STATUS, STATUS_SECONDS)
    yield Item(f"moments/{moment:03}/metrics.txt", "/v1/metrics")


def profiles(seconds: float) -> Iterator[Item]:
    """One after the other: a process takes one profile at a time."""
    within = seconds + PROFILE_MARGIN
    asked = f"seconds={seconds:g}&format=pprof"
    yield Item("cpu.pb.gz", f"/debug/pprof/profile?{asked}", within, text=False, picture="cpu.svg")
    yield Item("memory.pb.gz", f"/debug/pprof/heap?{asked}", within, text=False, picture="memory.svg")


def of_cluster(when: str) -> Iterator[Item]:
    """What one node says of all; ``when`` is start or end."""
    yield Item(f"doctor-{when}.json", "/debug/doctor?format=json")
    if when == "start":
        yield Item("features.json", "/v1/features/list")
    else:
        yield Item(f"doctor-{when}.txt", "/debug/doctor?format=text")
