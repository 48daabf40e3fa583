"""One capture from a node's profiling route, kept as folded stacks and as the picture drawn from them.

A profile is taken once: both files show the same run, and the picture's caption
repeats what the answer's headers say was really measured.
"""

import io
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import httpx

from diag.errors import ProfilerError
from flamegraph.formats.folded import read_folded
from flamegraph.profile import Profile
from flamegraph.svg import render

_LINE_NUMBER = re.compile(r":\d+(?=\)$)")


class Route(NamedTuple):
    """A profile to take: the file's name, the picture's title, the route below ``/debug/pprof``."""

    name: str
    title: str
    path: str


ROUTES = (
    Route("cpu", "CPU of the meta node", "profile?frequency=99"),
    Route("memory", "Memory of the meta node at its peak", "heap?mode=peak"),
    Route("trace", "Every call of the meta node's serving thread", "trace?renderer=flamegraph"),
)


class HotFunction(NamedTuple):
    """A function over all its lines; shares are 0..1 of the whole profile."""

    name: str
    own: float
    total: float


@dataclass(frozen=True)
class Taken:
    """A finished capture; ``measured`` is the headers' account of it in one line."""

    route: Route
    folded: bytes
    unit: str
    measured: str
    notes: tuple[str, ...]

    def profile(self) -> Profile:
        """The capture as a call tree."""
        return read_folded(io.BytesIO(self.folded), self.unit)

    def write(self, directory: Path, under: str) -> tuple[Path, Path]:
        """Write the SVG and the folded stacks; ``under`` names the load in the title."""
        svg, folded = (directory / f"{self.route.name}{suffix}" for suffix in (".svg", ".folded"))
        title = f"{self.route.title} {under}"
        folded.write_bytes(self.folded)
        svg.write_text(
            render(self.profile(), title=title, subtitle=self.measured, notes=self.notes), encoding="utf-8"
        )
        return svg, folded


def take(admin: str, route: Route, seconds: float) -> Taken:
    """GET one profile from host:port; ProfilerError with the node's words when it is refused."""
    url = f"http://{admin}/debug/pprof/{route.path}&seconds={seconds:g}&format=folded"
    try:
        response = httpx.get(url, timeout=seconds + 60, trust_env=False)
    except httpx.TransportError as error:
        raise ProfilerError(f"GET {url} got no answer: {error or type(error).__name__}.") from error
    if response.status_code != httpx.codes.OK:
        raise ProfilerError(f"GET {url} answered {response.status_code}: {response.text.strip()}")
    headers = {
        name.removeprefix("x-profile-"): value
        for name, value in response.headers.items()
        if name.startswith("x-profile-")
    }
    notes = tuple(note for note in (headers.pop("notes", ""),) if note)
    measured = ", ".join(f"{name} {value}" for name, value in headers.items())
    return Taken(route, response.content, headers.get("unit", "samples"), measured, notes)


def hottest(profile: Profile, count: int) -> list[HotFunction]:
    """The functions with the largest weight of their own; lines of one function are added up."""
    own: dict[str, float] = defaultdict(float)
    total: dict[str, float] = defaultdict(float)
    for frames, weight in profile.stacks():
        functions = [_LINE_NUMBER.sub("", frame) for frame in frames]
        own[functions[-1]] += weight
        for function in set(functions):
            total[function] += weight
    whole = float(profile.total) or 1.0
    order = sorted(own, key=lambda name: (-own[name], name))[:count]
    return [HotFunction(name, own[name] / whole, total[name] / whole) for name in order]
