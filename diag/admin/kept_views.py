"""Kept profiles as people and programs read them: JSON, a note under a picture, a caption of a comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fastapi.responses import JSONResponse

from diag.admin.drawing import Caption
from diag.admin.starts import Started
from diag.profilers.about import About, moment
from diag.profilers.capture import Capture
from diag.profilers.shelf import Entry


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """``content`` as it is now."""
    return JSONResponse(content, status, headers={"Cache-Control": "no-store", **(headers or {})})


def at(id_: str) -> dict[str, str]:
    """The header that says where a profile is, or will be."""
    return {"Location": f"/debug/profiles/{id_}"}


def listed(started: Sequence[Started], kept: Sequence[Entry]) -> list[dict[str, Any]]:
    """All profiles as JSON has them, the newest first: those on their way before those on disk."""
    return [of_started(one) for one in started] + [of_entry(entry) for entry in kept]


def of_started(started: Started) -> dict[str, Any]:
    """One that is not kept, or not yet."""
    return started.as_dict() | {"when": moment(started.when)}


def of_entry(entry: Entry) -> dict[str, Any]:
    """One on disk; a damaged one has its id and the reason."""
    if entry.about is None:
        return {"id": entry.id, "name": None, "state": "damaged", "bytes": entry.size, "error": entry.damage}
    return of_about(entry.about) | {"bytes": entry.size}


def of_about(about: About) -> dict[str, Any]:
    """A kept profile's account."""
    return about.as_dict() | {"when": moment(about.when), "state": "kept"}


def noted(about: About, capture: Capture) -> Capture:
    """The capture with a note that says which one it is and what the service did meanwhile."""
    called = f" {about.name}" if about.name else ""
    notes = [f"Kept profile{called} {about.id}, of {moment(about.when)}."]
    load = _load(about)
    if load:
        notes.append(f"Meanwhile: {load}.")
    return replace(capture, notes=(*capture.notes, *notes))


def comparison(base: About, new: About) -> Caption:
    """What stands around the picture of two kept profiles."""
    return Caption(
        f"{new.name or new.id} compared to {base.name or base.id}",
        f"{new.kind}, {new.unit}; red grew, blue shrank",
        (f"Base: {_described(base)}.", f"New: {_described(new)}."),
        new.unit,
    )


def _described(about: About) -> str:
    parts = [about.id, moment(about.when), f"{about.engine} in mode {about.mode}", f"{about.seconds:.1f} s"]
    if about.rate is not None:
        parts.append(f"{about.rate:.1f} Hz")
    parts.append(f"{about.samples} {'samples' if about.kind == 'cpu' else 'records'}")
    parts.append(f"version {about.version}")
    return ", ".join(filter(None, [*parts, _load(about)]))


def _load(about: About) -> str:
    load = about.load
    parts = []
    if load.requests is not None:
        before = "" if load.requests_before is None else f" ({load.requests_before:,.0f} a second before)"
        parts.append(f"{load.requests} requests{before}")
    if load.cpu_seconds is not None:
        parts.append(f"{load.cpu_seconds:.2f} s of CPU")
    if load.loop_lag_seconds is not None:
        parts.append(f"loop lag up to {load.loop_lag_seconds * 1000:.0f} ms")
    return ", ".join(parts)
