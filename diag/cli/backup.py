"""``diag export | import | restore``: the catalogue as lines of JSON, and snapshots back into a directory."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import click

from diag.cli.founding import check_founder, check_no_member, next_steps
from diag.cli.kv import client_of, grpc_options, refusals_told
from diag.cli.output import overwrite_option, require_new
from diag.errors import ConfigError, DirectoryInUse, InvalidRequest
from diag.kv import boot
from diag.kv.directory import DATA_DIR, SNAPSHOT_DIR
from diag.kv.export import export_lines
from diag.kv.importer import import_lines
from diag.kv.replacement import recover
from diag.kv.snapshot import SnapshotStore, open_snapshot
from diag.kv.store import Store


def _id_option(default: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    return click.option(
        "--id",
        "node_id",
        type=click.IntRange(0, 2**64 - 1),
        help=f"The node it is for; by default {default}.",
    )


@click.command()
@grpc_options
@click.option("--db", type=click.Path(path_type=Path), help="Write to this file instead of standard output.")
@click.option(
    "--raft-dir", type=click.Path(path_type=Path), help="Export from a stopped node's directory instead."
)
@overwrite_option
@click.option("--chunk-size", type=click.IntRange(1, 100_000), default=32, show_default=True)
def export(
    endpoint: tuple[str, ...], db: Path | None, raft_dir: Path | None, overwrite: bool, chunk_size: int
) -> int:
    """Export the catalogue as NDJSON, from a running node or a stopped node's directory.

    A running node may be any of a cluster. A stopped one may be behind the others of its cluster, and its
    directory does not name them. A file that is there stays, unless --overwrite says so; then until the
    export is whole.
    """
    if db is not None:
        require_new(db, overwrite)
    with _output(db) as out:
        if raft_dir is not None:
            count = _write(out, _offline(raft_dir))
        else:
            with refusals_told(endpoint):
                count = asyncio.run(_from_node(endpoint, chunk_size, out))
    click.echo(f"exported {count} lines", err=True)
    return 0


@click.command("import")
@click.option("--raft-dir", type=click.Path(path_type=Path), required=True, help="The new node's directory.")
@click.option(
    "--db", type=click.Path(path_type=Path, exists=True), help="Read this file instead of standard input."
)
@click.option("--overwrite", is_flag=True, help="Replace what the directory holds.")
@_id_option("the one whose directory is replaced, else the first that starts in it")
@click.option(
    "--initial-cluster",
    "initial",
    multiple=True,
    metavar="ID=HOST:PORT",
    help="A node of the new cluster, this one too, with its raft address; once for each.",
)
def import_(
    raft_dir: Path, db: Path | None, overwrite: bool, node_id: int | None, initial: tuple[str, ...]
) -> int:
    """Make a node's data directory from an export: of a single node, or of the first of a new cluster.

    The nodes of the exported cluster are not taken over. A new cluster is of the nodes that join its first
    one; they take the imported state from it. --initial-cluster names them beforehand, and has the commands
    printed that start them.

    Lines that contradict each other are refused. The format has no end mark, so an export that was
    cut off between two of its last records is taken for a whole one: see that diag export ended with 0.
    """
    addresses = check_founder(node_id, initial)
    check_no_member(raft_dir)
    with db.open(encoding="utf-8") if db else sys.stdin as source:
        try:
            summary = import_lines(source, raft_dir / DATA_DIR, overwrite=overwrite, node_id=node_id)
        except UnicodeDecodeError as error:
            name = db or "standard input"
            raise InvalidRequest(f"{name} is no export: it is not UTF-8 ({error.reason})") from None
    click.echo(f"imported {summary.keys} keys, last seq {summary.seq}, into {raft_dir}", err=True)
    if node_id is not None and addresses:
        click.echo(next_steps(node_id, raft_dir, addresses), err=True)
    return 0


@click.command()
@click.option("--raft-dir", type=click.Path(path_type=Path), required=True, help="Whose snapshot.")
@click.option("--to", "target", type=click.Path(path_type=Path), required=True, help="A new raft directory.")
@_id_option("the one whose snapshot it is")
def restore(raft_dir: Path, target: Path, node_id: int | None) -> int:
    """Restore the last snapshot of a node's directory into a new one.

    That of a cluster's node becomes a state without a cluster: a single node's, or a new cluster's.
    """
    snapshots = _snapshots_of(raft_dir)
    latest = snapshots.latest()
    if latest is None:
        raise ConfigError(f"{raft_dir} holds no snapshot; take one with diag snapshot")
    recover(target / DATA_DIR)
    check_no_member(target)
    snapshots.restore(latest, target / DATA_DIR, node_id)
    with Store.open(target / DATA_DIR) as store, store.write() as txn:
        txn.set_log_state(b"")
    click.echo(f"restored {latest.key_count} keys of log index {latest.index} into {target}", err=True)
    return 0


@contextmanager
def _output(db: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that is replaced only by a whole export."""
    if db is None:
        yield sys.stdout
        return
    partial = db.with_name(db.name + ".partial")
    try:
        with partial.open("w", encoding="utf-8") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        partial.replace(db)
    finally:
        partial.unlink(missing_ok=True)


def _offline(raft_dir: Path) -> Iterator[str]:
    with _state_in(raft_dir) as store:
        yield from export_lines(store, ())


def _state_in(raft_dir: Path) -> Store:
    """The store; the last snapshot where the store is in use, or was when the machine went down."""
    latest, data = _snapshots_of(raft_dir).latest(), raft_dir / DATA_DIR
    if not boot.is_doubtful(data, boot.boot_id()):
        try:
            return Store.open(data, readonly=True)
        except DirectoryInUse:
            click.echo("the node runs: this is its last snapshot; --endpoint exports what is newer", err=True)
    if latest is None:
        raise ConfigError(f"{raft_dir} holds no snapshot; take one with diag snapshot, or use --endpoint")
    return open_snapshot(latest.path)


def _snapshots_of(raft_dir: Path) -> SnapshotStore:
    recover(raft_dir / DATA_DIR)
    return SnapshotStore(raft_dir / SNAPSHOT_DIR)


def _write(out: TextIO, lines: Iterator[str]) -> int:
    count = 0
    for line in lines:
        out.write(line + "\n")
        count += 1
    return count


async def _from_node(endpoints: tuple[str, ...], chunk_size: int, out: TextIO) -> int:
    count = 0
    async with client_of(endpoints) as client:
        lines: AsyncIterator[str] = client.export(chunk_size)
        async for line in lines:
            out.write(line.rstrip("\n") + "\n")
            count += 1
    return count
