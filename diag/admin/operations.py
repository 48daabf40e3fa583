"""Operations of a node that can be profiled from their start to their end."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from diag.kv.directory import DATA_DIR
from diag.kv.export import export_lines
from diag.kv.importer import import_lines
from diag.kv.snapshot import open_snapshot
from diag.profilers.shelf import Shelf
from diag.profilers.work import Abandoned, in_thread
from diag.replication import OrderedLog

#: Gives sentences about what was done.
Operation: TypeAlias = Callable[[], Awaitable[tuple[str, ...]]]

#: Runs the profile of an operation, once all is ready for it.
Profile: TypeAlias = Callable[[Operation], Awaitable[None]]

_EXPORT = "export.ndjson"


async def profile_snapshot(log: OrderedLog, _: Shelf, profile: Profile) -> None:
    """A snapshot, written as for ``trigger_snapshot``."""

    async def snapshot() -> tuple[str, ...]:
        before = log.status().snapshot
        facts = await log.snapshot()
        if before == facts:
            return ("Nothing was written since the last snapshot, so this one took nothing to make.",)
        return (f"The snapshot has {facts.key_count} keys and {facts.size} bytes.",)

    await profile(snapshot)


async def profile_export(log: OrderedLog, _: Shelf, profile: Profile) -> None:
    """All lines of an export, made and thrown away."""
    facts = await log.snapshot()
    lines = partial(_lines, log, facts.path)

    async def export() -> tuple[str, ...]:
        return (f"The export has {await in_thread('export', partial(_count, lines))} lines.",)

    await profile(export)


async def profile_import(log: OrderedLog, shelf: Shelf, profile: Profile) -> None:
    """This node's own export, imported into a directory that is thrown away: the disk holds both."""
    facts = await log.snapshot()
    async with _scratch(shelf) as scratch:
        source = scratch / _EXPORT
        await in_thread("export", partial(_write, partial(_lines, log, facts.path), source))

        async def import_() -> tuple[str, ...]:
            keys = await in_thread("import", partial(_import, source, scratch / DATA_DIR))
            return (f"The import made {keys} keys.",)

        await profile(import_)


@contextlib.asynccontextmanager
async def _scratch(shelf: Shelf) -> AsyncIterator[Path]:
    """A directory for work; gigabytes are removed away from the event loop."""
    scratch = shelf.scratch()
    path = await asyncio.to_thread(scratch.__enter__)
    try:
        yield path
    finally:
        await asyncio.to_thread(scratch.__exit__, None, None, None)


#: By the word for them in ``name=``.
OPERATIONS: Final[Mapping[str, Callable[[OrderedLog, Shelf, Profile], Awaitable[None]]]] = {
    "snapshot": profile_snapshot,
    "import": profile_import,
    "export": profile_export,
}


def _lines(log: OrderedLog, snapshot: Path) -> Iterator[str]:
    status = log.status()
    with open_snapshot(snapshot) as store:
        yield from export_lines(store, (*status.voters, *status.non_voters))


def _count(lines: Callable[[], Iterator[str]], stop: threading.Event) -> int:
    return sum(1 for _ in _unless(stop, lines()))


def _write(lines: Callable[[], Iterator[str]], target: Path, stop: threading.Event) -> None:
    with target.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in _unless(stop, lines()))


def _import(source: Path, target: Path, stop: threading.Event) -> int:
    with source.open(encoding="utf-8") as file:
        return import_lines(_unless(stop, file), target).keys


def _unless(stop: threading.Event, lines: Iterable[str]) -> Iterator[str]:
    """The lines, until whoever wants them has gone."""
    for line in lines:
        if stop.is_set():
            raise Abandoned
        yield line
