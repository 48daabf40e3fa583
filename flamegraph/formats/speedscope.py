"""speedscope's JSON: one table of frames, and profiles that refer to it.

A profile is sampled (stacks and weights) or evented (frames opened and closed at a time); both are read, and
sampled ones are written. The frame's file, line and column become `name (file:line:column)` and are taken
apart again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, BinaryIO

from flamegraph import frame
from flamegraph.errors import InputError, OptionError
from flamegraph.formats.options import Options
from flamegraph.formats.source import read_all
from flamegraph.profile import ROOT, Profile, TreeBuilder, Weight

SCHEMA = "https://www.speedscope.app/file-format-schema.json"

# Unit in the file: ours, and by how much its weights are multiplied and then divided.
_UNITS = {
    "none": ("samples", 1, 1),
    "nanoseconds": ("microseconds", 1, 1_000),
    "microseconds": ("microseconds", 1, 1),
    "milliseconds": ("microseconds", 1_000, 1),
    "seconds": ("microseconds", 1_000_000, 1),
    "bytes": ("bytes", 1, 1),
}
_TOO_LARGE = 1 << 63


def sniff(head: bytes) -> bool:
    """Whether it is a JSON object that names speedscope's schema or its two tables."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return text.startswith(b"{") and (b"speedscope" in head or b'"shared"' in head or b'"profiles"' in head)


def read(stream: BinaryIO, options: Options) -> Profile:
    """All profiles of the file that share the first one's unit, added up; or the one named by `sample_type`.

    With the label `thread`, the name of each profile, which speedscope shows as a thread, becomes a frame.
    Raises InputError with the path within the file of what is wrong.
    """
    try:
        document = json.loads(read_all(stream))
    except (ValueError, RecursionError) as error:
        raise InputError(f"The profile is no whole JSON document: {error}.") from error
    document = _object(document, "the document")
    if "shared" not in document and "profiles" not in document:
        raise InputError("The JSON document is no file of speedscope: it has neither shared nor profiles.")
    frames = [
        _frame_name(entry, f"shared.frames[{at}]")
        for at, entry in enumerate(
            _list(_object(document.get("shared"), "shared").get("frames"), "shared.frames")
        )
    ]
    profiles = [
        _object(entry, f"profiles[{at}]")
        for at, entry in enumerate(_list(document.get("profiles"), "profiles"))
    ]
    chosen = _chosen(profiles, options.sample_type)
    tree = TreeBuilder()
    for at in chosen:
        _Reader(tree, frames, profiles[at], f"profiles[{at}]").add(options.labels)
    return tree.build(_unit(profiles[chosen[0]], "profiles")[0] if chosen else "samples", _metadata(document))


class _Reader:
    """One profile of the file, added to the tree."""

    def __init__(self, tree: TreeBuilder, frames: list[bytes], profile: dict[str, Any], path: str) -> None:
        self._tree = tree
        self._frames = frames
        self._profile = profile
        self._path = path
        _, self._times, self._parts = _unit(profile, path)

    def add(self, labels: Sequence[str]) -> None:
        root = ROOT
        if "thread" in labels:
            name = str(self._profile.get("name", "")) or "[no name]"
            root = self._tree.child(ROOT, b"thread: " + _bytes(name))
        kind = self._profile.get("type")
        if kind == "sampled":
            self._add_samples(root)
        elif kind == "evented":
            self._add_events(root)
        else:
            raise InputError(f"{self._path}.type is {kind!r}; it should be 'sampled' or 'evented'.")

    def _add_samples(self, root: int) -> None:
        samples = self._list("samples")
        weights = self._list("weights")
        if len(samples) != len(weights):
            raise InputError(
                f"{self._path} has {len(samples):,} samples and {len(weights):,} weights; each has one."
            )
        for at, (stack, weight) in enumerate(zip(samples, weights, strict=True)):
            path = f"{self._path}.samples[{at}]"
            node = root
            for number in _list(stack, path):
                node = self._tree.child(node, self._frame(number, path))
            self._weigh(node, _amount(weight, f"{self._path}.weights[{at}]"))

    def _add_events(self, root: int) -> None:
        stack: list[tuple[int, bytes]] = [(root, b"")]
        now = _number(self._profile.get("startValue", 0), f"{self._path}.startValue")
        for at, event in enumerate(self._list("events")):
            path = f"{self._path}.events[{at}]"
            event = _object(event, path)
            then = _number(event.get("at"), f"{path}.at")
            self._pass(stack, now, then, path)
            now = then
            name = self._frame(event.get("frame"), path)
            if event.get("type") == "O":
                stack.append((self._tree.child(stack[-1][0], name), name))
            elif event.get("type") != "C":
                raise InputError(f"{path}.type is {event.get('type')!r}; it should be 'O' or 'C'.")
            elif stack.pop()[1] != name or not stack:
                raise InputError(f"{path} closes a frame that is not the innermost open one.")
        end = _number(self._profile.get("endValue", now), f"{self._path}.endValue")
        self._pass(stack, now, max(end, now), self._path)

    def _pass(self, stack: list[tuple[int, bytes]], now: Weight, then: Weight, path: str) -> None:
        """Time between two events counts for the innermost frame; time with no frame open for none."""
        if then < now:
            raise InputError(f"{path} lies before the event ahead of it: {then} after {now}.")
        if len(stack) > 1:
            self._weigh(stack[-1][0], then - now)

    def _weigh(self, node: int, weight: Weight) -> None:
        weight *= self._times
        if self._parts > 1:
            whole = isinstance(weight, int) and weight % self._parts == 0
            weight = weight // self._parts if whole else weight / self._parts
        self._tree.add(node, weight)

    def _frame(self, number: Any, path: str) -> bytes:
        if type(number) is int and 0 <= number < len(self._frames):
            return self._frames[number]
        raise InputError(f"{path} refers to frame {number!r}; the file has {len(self._frames):,} frames.")

    def _list(self, key: str) -> list[Any]:
        return _list(self._profile.get(key), f"{self._path}.{key}")


def write(profile: Profile, file: BinaryIO) -> None:
    """Writes one sampled profile, a sample for each stack with weight of its own."""
    nodes = [node for node, weight in enumerate(profile.weights) if weight]
    body = {
        "$schema": SCHEMA,
        "shared": {"frames": [_frame(name) for name in profile.names[1:]]},
        "profiles": [
            {
                "type": "sampled",
                "name": profile.metadata.get("name") or profile.metadata.get("sample_type") or "profile",
                "unit": profile.unit if profile.unit in _UNITS else "none",
                "startValue": 0,
                "endValue": profile.total,
                "samples": [[profile.name[at] - 1 for at in profile.path(node)] for node in nodes],
                "weights": [profile.weights[node] for node in nodes],
            }
        ],
        "activeProfileIndex": 0,
        "exporter": "metadiag flamegraph",
        "metadata": profile.metadata,
    }
    file.write(json.dumps(body, separators=(",", ":")).encode())


def _frame(name: bytes) -> dict[str, str | int]:
    function, file, line = frame.split(name)
    entry: dict[str, str | int] = {"name": _text(function)}
    if line:
        entry |= {"file": _text(file), "line": line}
    return entry


def _frame_name(entry: Any, path: str) -> bytes:
    entry = _object(entry, path)
    name = entry.get("name")
    if not isinstance(name, str):
        raise InputError(f"{path}.name is {name!r}; it should be text.")
    file, line, column = entry.get("file"), entry.get("line"), entry.get("col")
    where = _bytes(file) if isinstance(file, str) else b""
    if type(line) is not int or line <= 0:
        return frame.join(frame.Place(_bytes(name), where))
    if type(column) is int and column > 0 and where:
        where, line = b"%s:%d" % (where, line), column
    return frame.join(frame.Place(_bytes(name), where, line))


def _chosen(profiles: list[dict[str, Any]], asked: str | int | None) -> list[int]:
    if asked is None:
        return [at for at, profile in enumerate(profiles) if profile.get("unit") == profiles[0].get("unit")]
    names = [str(profile.get("name")) for profile in profiles]
    if isinstance(asked, str) and asked not in names and asked.isdecimal():
        asked = int(asked)
    found = [at for at, name in enumerate(names) if asked in (at, name)]
    if not found:
        raise OptionError(f"There is no profile {asked!r}; the file has {', '.join(names)}.")
    return found[:1]


def _unit(profile: dict[str, Any], path: str) -> tuple[str, int, int]:
    unit = profile.get("unit", "none")
    if not isinstance(unit, str) or unit not in _UNITS:
        raise InputError(f"{path}.unit is {unit!r}; it should be one of {', '.join(_UNITS)}.")
    return _UNITS[unit]


def _metadata(document: dict[str, Any]) -> dict[str, str]:
    known = document.get("metadata")
    metadata = (
        {key: value for key, value in known.items() if isinstance(value, str)}
        if isinstance(known, dict)
        else {}
    )
    name = document.get("name")
    return metadata | {"name": name} if isinstance(name, str) and name else metadata


def _amount(value: Any, path: str) -> Weight:
    weight = _number(value, path)
    if weight < 0:
        raise InputError(f"{path} is {weight}; a weight is zero or more.")
    return weight


def _number(value: Any, path: str) -> Weight:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _TOO_LARGE:
        return int(value) if isinstance(value, float) and value.is_integer() else value
    raise InputError(f"{path} is {value!r:.40}; it should be a finite number under 2^63.")


def _object(value: Any, path: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise InputError(f"In the speedscope file {path} should be an object.")


def _list(value: Any, path: str) -> list[Any]:
    if isinstance(value, list):
        return value
    raise InputError(f"In the speedscope file {path} should be a list.")


# Bytes that are not UTF-8 stand in JSON as lone surrogates, and come back.
def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
