"""Profiles of several nodes, taken at the same time, as one: each node's stacks stand on a frame of its own.

Between nodes a profile travels as folded stacks, with its account in headers.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from diag.admin.relay import Relay
from diag.errors import MetaError, ProfilerBusy, Unavailable
from diag.profilers.capture import Capture
from diag.replication import NodeAddress, Question

#: Seconds beyond a profile's own within which a node must deliver it: starting its engine, folding, the way.
MARGIN: Final = 20.0


class Taken(NamedTuple):
    """The captures of nodes, in the order of ids, and what the others said instead."""

    captures: dict[int, Capture]
    missing: Sequence[tuple[NodeAddress, MetaError]]


async def take(
    relay: Relay, here: Callable[[], Awaitable[Capture]], question: Question, kind: str, seconds: float
) -> Taken:
    """One profile of each node; ``question`` asks for folded stacks.

    When no node delivers: the error of the only node there is, else what each said, as ProfilerBusy where all
    are that, and as Unavailable.
    """

    async def there(node: NodeAddress) -> Capture:
        heard = await relay.hear(node, question, seconds + MARGIN)
        return _capture(kind, heard.content, heard.headers)

    captures: dict[int, Capture] = {}
    missing: list[tuple[NodeAddress, MetaError]] = []
    for node, result in await relay.everyone(here, there):
        if isinstance(result, MetaError):
            missing.append((node, result))
        else:
            captures[node.node_id] = result
    if not captures:
        raise _nothing(missing)
    return Taken(captures, missing)


def _nothing(missing: Sequence[tuple[NodeAddress, MetaError]]) -> MetaError:
    if len(missing) == 1:
        return missing[0][1]
    reasons = " ".join(f"Node {node.node_id}: {error}" for node, error in missing)
    waits = [error.retry_after for _, error in missing if isinstance(error, ProfilerBusy)]
    if len(waits) == len(missing):
        return ProfilerBusy(f"Every node is busy with another profile. {reasons}", max(waits))
    return Unavailable(f"No node delivered a profile. {reasons}")


class Every:
    """One profile of all nodes at once; ``take`` comes first, then ``parts`` says who delivered."""

    parts: Taken

    def __init__(self, work: Callable[[], Awaitable[Taken]]) -> None:
        self._work = work

    async def take(self) -> Capture:
        self.parts = await self._work()
        return combined(self.parts)

    def nodes(self) -> tuple[int, ...]:
        return tuple(self.parts.captures)


def combined(taken: Taken) -> Capture:
    """All captures as one; figures are sums, or means of rates, and notes say whose they are."""
    captures = list(taken.captures.values())
    first = captures[0]
    return replace(
        first,
        folded=b"".join(_rooted(node_id, capture.folded) for node_id, capture in taken.captures.items()),
        engine=_all_of(capture.engine for capture in captures),
        mode=_all_of(capture.mode for capture in captures),
        seconds=max(capture.seconds for capture in captures),
        samples=sum(capture.samples for capture in captures),
        errors=sum(capture.errors for capture in captures),
        rate_effective=_mean([capture.rate_effective for capture in captures]),
        pause_share=_most([capture.pause_share for capture in captures]),
        notes=(*missing_notes(taken), *_notes(taken.captures)),
        native_svg=None,
        labelled=None,
    )


def missing_notes(taken: Taken) -> tuple[str, ...]:
    """A sentence for each node that is not in the picture."""
    return tuple(f"Node {node.node_id} is missing: {error}" for node, error in taken.missing)


def _rooted(node_id: int, folded: bytes) -> bytes:
    root = b"node %d;" % node_id
    return b"".join(root + line + b"\n" for line in folded.splitlines() if line.strip())


def _notes(captures: Mapping[int, Capture]) -> tuple[str, ...]:
    return tuple(f"Node {node_id}: {note}" for node_id, capture in captures.items() for note in capture.notes)


def _capture(kind: str, folded: bytes, headers: Mapping[str, str]) -> Capture:
    """A capture of another node, as ``answers.measured`` described it."""

    def number(name: str) -> float | None:
        text = headers.get(f"x-profile-{name}")
        return None if text is None else float(text)

    try:
        return Capture(
            folded=folded,
            kind=kind,
            unit=headers["x-profile-unit"],
            engine=headers["x-profile-engine"],
            mode=headers["x-profile-mode"],
            seconds=float(headers["x-profile-seconds"]),
            samples=int(headers["x-profile-samples"]),
            errors=int(headers["x-profile-errors"]),
            rate_asked=number("rate-asked"),
            rate_effective=number("rate"),
            pause_share=number("pause-share"),
            notes=tuple(filter(None, [headers.get("x-profile-notes")])),
        )
    except (KeyError, ValueError) as error:
        raise Unavailable(f"Its answer is no profile as this version makes them ({error}).") from None


def _all_of(names: Iterable[str]) -> str:
    return ", ".join(sorted(set(names)))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _most(values: Sequence[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
