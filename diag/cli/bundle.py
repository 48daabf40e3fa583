"""``diag bundle``: evidence of all nodes in one file, for somebody elsewhere."""

import asyncio
import contextlib
import fcntl
import glob
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import IO, Final

import click
import httpx

from diag.bundle.archive import Archive
from diag.bundle.collect import Answer, Ask, Collection
from diag.bundle.items import Plan
from diag.cli.admin_client import admin_options, fetch, headers_of, tls, url_of
from diag.cli.kinds import Seconds
from diag.cli.output import overwrite_option, require_new
from diag.errors import InvalidRequest, MetaError, NoSpace, NotInTime, Unavailable
from diag.redact import Redactor, of_environment

INTERRUPTED: Final = 130
_MEBIBYTE: Final = 1 << 20
#: What the names of temporary files end with, as a pattern.
_CHANCE: Final = "?" * 8


@click.command()
@admin_options
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file, .tar.gz; by default named after the moment, here.",
)
@click.option("--duration", type=Seconds(1, 3600), default=30.0, show_default=True)
@click.option("--interval", type=Seconds(1, 3600), default=10.0, show_default=True, help="Between metrics.")
@click.option("--nodes", default="all", show_default=True, metavar="all|ID,...", help="Whose evidence.")
@click.option("--profiles/--no-profiles", default=True, show_default=True, help="CPU and memory, 10 s each.")
@overwrite_option
@click.option(
    "--max-size", type=click.IntRange(1, 1 << 20), default=256, show_default=True, help="MiB of the file."
)
def bundle(
    endpoint: str,
    token: str | None,
    output: Path | None,
    duration: float,
    interval: float,
    nodes: str,
    profiles: bool,
    overwrite: bool,
    max_size: int,
) -> int:
    """Put what all nodes say of themselves into one file: status, metrics, profiles, logs, findings.

    Secrets are taken out. index.json in it says what failed and why. Ctrl-C keeps what is there, in a valid
    file, with exit code 130.
    """
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    target = output or Path(f"metadiag-bundle-{moment}.tar.gz")
    require_new(target, overwrite)
    ids = _ids(endpoint, token, nodes)
    plan = Plan(duration, interval, profiles)
    for note in plan.notes:
        click.echo(note, err=True)
    _sweep(target.parent, glob.escape(target.name) if output else "metadiag-bundle-*.tar.gz")
    with _placed(target) as file:
        archive = Archive(file, f"metadiag-bundle-{moment}", max_size * _MEBIBYTE)
        redactor = Redactor([*of_environment(os.environ), *([token] if token else [])])
        whole, absent = asyncio.run(_collect(endpoint, token, ids, plan, archive, redactor))
    failed = sum(entry.state == "failed" for entry in archive.entries)
    click.echo(
        f"{target}: {len(archive.entries)} items of {_nodes(ids)}, "
        f"{target.stat().st_size / _MEBIBYTE:.1f} MiB"
        + (f"; nothing came of {_nodes(absent)}" if absent else "")
        + (f"; {failed} failed, index.json says why" if failed else "")
        + ("" if whole else "; ended early")
    )
    return 0 if whole else INTERRUPTED


def _nodes(ids: Sequence[int]) -> str:
    return f"node{'s' if len(ids) > 1 else ''} {', '.join(map(str, ids))}"


def _ids(endpoint: str, token: str | None, nodes: str) -> list[int]:
    told = fetch(endpoint, token, "/v1/cluster/status").json()
    members = {int(node["name"]) for node in (*told["voters"], *told["non_voters"])} | {told["id"]}
    if nodes == "all":
        return sorted(members)
    parts = nodes.split(",")
    if not all(part.isdecimal() and int(part) in members for part in parts):
        raise InvalidRequest(
            f"--nodes is {nodes!r}; it must be all, or of {', '.join(map(str, sorted(members)))}"
        )
    return sorted(set(map(int, parts)))


def _sweep(directory: Path, names: str) -> None:
    """Remove what runs of these names left that were killed; who still writes one has it locked."""
    for left in directory.glob(f".{names}.{_CHANCE}"):
        with contextlib.suppress(OSError), left.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink()


@contextlib.contextmanager
def _placed(target: Path) -> Iterator[IO[bytes]]:
    """A file that has its name once it is whole, and is gone when it cannot be."""
    try:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise NoSpace(f"{target} cannot be written: {error.strerror}") from None
    temporary = Path(name)
    try:
        try:
            with os.fdopen(descriptor, "wb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield file
                file.flush()
                os.fsync(descriptor)
        except OSError as error:
            raise NoSpace(f"{target} cannot be written: {error.strerror}; free some space") from None
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


async def _collect(
    endpoint: str, token: str | None, ids: list[int], plan: Plan, archive: Archive, redactor: Redactor
) -> tuple[bool, Sequence[int]]:
    """Whether it came to its end, and the nodes of which nothing came."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with httpx.AsyncClient(base_url=url_of(endpoint), headers=headers_of(token), verify=tls()) as http:
        collection = Collection(_asker(http), ids, plan, archive, redactor)
        whole = True
        telling = asyncio.create_task(_tell(collection, archive))
        try:
            await collection.run()
        except asyncio.CancelledError:
            whole = False
        finally:
            telling.cancel()
        about = collection.about(
            interrupted=not whole,
            made_by=f"metadiag {version('metadiag')}",
            python=platform.python_version(),
            system=platform.platform(),
            by_endpoint=url_of(endpoint),
        )
    archive.close(about)
    return whole, collection.absent


def _asker(http: httpx.AsyncClient) -> Ask:
    async def ask(node_id: int | None, path: str, within: float) -> Answer:
        bare, _, query = path.partition("?")
        params = dict(pair.split("=", 1) for pair in query.split("&")) if query else {}
        if node_id is not None:
            params["node"] = str(node_id)
        try:
            async with asyncio.timeout(within):
                response = await http.get(bare, params=params, timeout=within)
        except (TimeoutError, httpx.TimeoutException):
            raise NotInTime(f"no answer within {within:g} s") from None
        except httpx.TransportError as error:
            raise Unavailable(f"the node asked cannot be reached: {error}") from None
        if response.is_error:
            raise MetaError(f"{response.status_code} {response.text.strip() or response.reason_phrase}")
        return Answer(response.content, response.headers)

    return ask


async def _tell(collection: Collection, archive: Archive) -> None:
    """How far it is, for who looks at a terminal."""
    while sys.stderr.isatty():
        done = f"{100 * collection.progress:3.0f} %, {len(archive.entries)} items, {archive.size >> 10} KiB"
        click.echo(f"\r{done}; Ctrl-C keeps what is there ", err=True, nl=False)
        await asyncio.sleep(0.5)
