"""What is known of a kept profile beside its stacks."""

import calendar
import json
import re
import secrets
import time
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final, Self

from diag.errors import InvalidRequest
from diag.logs.request_id import current_request
from diag.profilers.capture import Capture

_ID: Final = re.compile(r"[0-9]{8}T[0-9]{9}-[0-9a-f]{8}", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}", re.ASCII)
_MOST_NOTES = 20_000
#: A word of the routes, which a name would hide.
_TAKEN: Final = "range"


@dataclass(frozen=True, slots=True)
class Load:
    """What the service did while a profile was taken, or None where nobody counted.

    ``requests`` answered, and ``requests_before``, how many a second there were in the seconds before;
    ``loop_lag_seconds`` the worst lag of the event loop about then, ``cpu_seconds`` of the whole process.
    """

    requests: int | None = None
    loop_lag_seconds: float | None = None
    cpu_seconds: float | None = None
    requests_before: float | None = None


@dataclass(frozen=True, slots=True)
class About:
    """A profile's account of itself, as JSON holds it.

    ``when`` is its beginning, in seconds since 1970. ``nodes`` are the nodes whose stacks it has, empty for
    one that was brought from elsewhere, and ``node_id`` the node that keeps it. The other fields are those
    of ``Capture``. ``labels`` are those that stand on its samples. ``trigger`` says what made the node keep
    it by itself, ``request_id`` which request it was taken for.
    """

    id: str
    name: str | None
    kind: str
    unit: str
    engine: str
    mode: str
    when: float
    seconds: float
    samples: int
    errors: int
    rate_asked: float | None
    rate: float | None
    pause_share: float | None
    notes: tuple[str, ...]
    node_id: int
    nodes: tuple[int, ...]
    version: str
    load: Load = Load()
    labels: tuple[str, ...] = ()
    trigger: str | None = None
    request_id: str | None = None

    @classmethod
    def of(
        cls,
        capture: Capture,
        *,
        id_: str,
        name: str | None,
        node_id: int,
        nodes: tuple[int, ...],
        version: str,
    ) -> Self:
        """The account of a capture that ended now."""
        return cls(
            id=id_,
            name=name,
            kind=capture.kind,
            unit=capture.unit,
            engine=capture.engine,
            mode=capture.mode,
            when=round(time.time() - capture.seconds, 3),
            seconds=round(capture.seconds, 3),
            samples=capture.samples,
            errors=capture.errors,
            rate_asked=capture.rate_asked,
            rate=capture.rate_effective,
            pause_share=None if capture.pause_share is None else round(capture.pause_share, 6),
            notes=_bounded(capture.notes),
            node_id=node_id,
            nodes=nodes,
            version=version,
            request_id=current_request(),
        )

    def capture(self, folded: bytes) -> Capture:
        """The capture again, with its stacks."""
        return Capture(
            folded=folded,
            kind=self.kind,
            unit=self.unit,
            engine=self.engine,
            mode=self.mode,
            seconds=self.seconds,
            samples=self.samples,
            errors=self.errors,
            rate_asked=self.rate_asked,
            rate_effective=self.rate,
            pause_share=self.pause_share,
            notes=self.notes,
        )

    def named(self, name: str | None) -> Self:
        """The same under another name."""
        return replace(self, name=name)

    def as_dict(self) -> dict[str, Any]:
        """Only JSON types."""
        return asdict(self)

    def as_json(self) -> bytes:
        """One line of ASCII; ``from_json`` reads it."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Raises ValueError for what ``as_json`` does not write. What a later version added is left out."""
        given = json.loads(text)
        if not isinstance(given, dict):
            raise ValueError("it is no object")  # noqa: TRY004 - as for any other text that is none
        known = {field.name for field in fields(cls)}
        values = {name: value for name, value in given.items() if name in known}
        try:
            for name in ("notes", "nodes", "labels"):
                values[name] = tuple(values.get(name, ()))
            values["load"] = Load(**values.get("load", {}))
            about = cls(**values)
        except TypeError as error:
            raise ValueError(str(error)) from None
        if not is_id(about.id) or not (about.name is None or _NAME.fullmatch(about.name)):
            raise ValueError("its id or its name is none")
        return about


def new_id(when: float) -> str:
    """An id that sorts by time and that nobody has to agree on."""
    second, millis = divmod(int(when * 1000), 1000)
    return f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime(second))}{millis:03}-{secrets.token_hex(4)}"


def moment(when: float) -> str:
    """Seconds since 1970 as RFC 3339 has them, in UTC, to the millisecond."""
    second, millis = divmod(int(when * 1000), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(second))}.{millis:03}Z"


def moment_of_id(id_: str) -> float:
    """When an id was made, in seconds since 1970."""
    return calendar.timegm(time.strptime(id_[:15], "%Y%m%dT%H%M%S")) + int(id_[15:18]) / 1000


def is_id(text: str) -> bool:
    """Whether ``text`` has the form of an id; no name has."""
    return _ID.fullmatch(text) is not None


def checked_name(text: str) -> str:
    """``text`` as the name of a profile. Raises InvalidRequest."""
    if not _NAME.fullmatch(text):
        raise InvalidRequest(
            f"name is {text[:80]!r}; it must be a letter and then up to 63 letters, digits, dots, hyphens or "
            "underscores, such as before-upgrade."
        )
    if text == _TAKEN:
        raise InvalidRequest(f"The name {_TAKEN} is a route's own; choose another.")
    return text


def checked_key(text: str) -> str:
    """``text`` as the id or the name of a profile. Raises InvalidRequest."""
    return text if is_id(text) else checked_name(text)


def _bounded(notes: tuple[str, ...]) -> tuple[str, ...]:
    """Notes of many nodes may be long; a header of a file has room for 64 KiB."""
    kept: list[str] = []
    left = _MOST_NOTES
    for note in notes:
        if len(note) > left:
            return (*kept, "Further notes were too long to keep.")
        kept.append(note)
        left -= len(note)
    return tuple(kept)
