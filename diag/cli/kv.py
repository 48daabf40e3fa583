"""``diag kv get | put | delete | list | mget`` and ``diag watch``: the store from the command line."""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import click
import grpc

from diag.cli.admin_client import authority, ca_option
from diag.cli.escapes import escaped, escaped_lines
from diag.cli.kinds import Seconds
from diag.errors import MetaError, Unavailable
from diag.kv.records import Record
from diag.replication.unreached import meaning_of
from diag.rpc.client import MetaClient

DEFAULT_GRPC = "127.0.0.1:9191"
_PASSWORD = "metadiag.password"  # noqa: S105 - a key


def grpc_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--endpoint``, which may be given more than once, ``--password`` and ``--ca``."""
    command = click.option(
        "--password",
        envvar=["METADIAG_PASSWORD", "META_PASSWORD"],
        help="Password of root, where the node has [auth] grpc_password; better by the environment.",
        expose_value=False,
        callback=lambda context, _, value: context.meta.__setitem__(_PASSWORD, value),
    )(command)
    return click.option(
        "--endpoint",
        multiple=True,
        default=[DEFAULT_GRPC],
        show_default=True,
        help="gRPC, host:port.",
    )(ca_option(command))


def client_of(endpoints: tuple[str, ...]) -> MetaClient:
    """A client of the endpoints, over TLS with ``--ca``."""
    ca = authority()
    password: str | None = click.get_current_context().meta.get(_PASSWORD)
    return MetaClient(list(endpoints), password=password or "", tls_ca=ca.read_bytes() if ca else None)


@contextmanager
def refusals_told(endpoints: tuple[str, ...]) -> Iterator[None]:
    """A failed call becomes a MetaError with its status and text."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        details = error.details() or ""
        # A node that serves TLS hangs up on plain text without a word.
        hint = "; if the node serves TLS, name its authority with --ca" if _is_hung_up(details) else ""
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            hint = "; is a majority of the cluster's nodes up? `diag status --node all` tells"
        meaning = None if hint else meaning_of(details)
        if meaning is not None:
            details = f"{' and '.join(endpoints)} cannot be reached: {meaning}"
        raise MetaError(f"{error.code().name}: {details}{hint}") from None
    except Unavailable as error:
        raise Unavailable(f"{error.grpc_status}: {error}") from None


def _is_hung_up(details: str) -> bool:
    return authority() is None and details.endswith("Socket closed")


@click.group()
def kv() -> None:
    """Read and write keys."""


@kv.command()
@grpc_options
@click.option("--json", "as_json", is_flag=True, help="The record with its seq, not only its data.")
@click.argument("key")
def get(endpoint: tuple[str, ...], as_json: bool, key: str) -> int:
    """Print a key's data; exit code 1 when it is absent.

    Byte for byte, unless to a terminal: there backslashes and what cannot be printed are written as \\\\,
    \\x1b and so on, as printf %b reads them.
    """

    async def run(client: MetaClient) -> int:
        record = await client.get(key)
        if as_json:
            click.echo(json.dumps(_fields(record)))
        elif record is not None:
            _print_data(record)
        return 0 if record is not None else 1

    return _with_client(endpoint, run)


@kv.command()
@grpc_options
@click.option("--ttl", type=Seconds(0.001, 1e9), help="Seconds to live.")
@click.argument("key")
@click.argument("value")
def put(endpoint: tuple[str, ...], ttl: float | None, key: str, value: str) -> int:
    """Write a key; VALUE - is read from standard input. Prints the new seq."""
    data = sys.stdin.buffer.read() if value == "-" else value.encode()

    async def run(client: MetaClient) -> int:
        written = await client.put(key, data, ttl_ms=None if ttl is None else int(ttl * 1000))
        click.echo(written.current.seq if written.current else 0)
        return 0

    return _with_client(endpoint, run)


@kv.command()
@grpc_options
@click.argument("key")
def delete(endpoint: tuple[str, ...], key: str) -> int:
    """Delete a key; exit code 1 when it was absent."""

    async def run(client: MetaClient) -> int:
        return 0 if (await client.delete(key)).success else 1

    return _with_client(endpoint, run)


@kv.command("list")
@grpc_options
@click.option("--json", "as_json", is_flag=True, help="A JSON object a line, with seq and data.")
@click.option("--limit", type=click.IntRange(1, 2**63), help="At most so many keys.")
@click.argument("prefix", default="")
def list_(endpoint: tuple[str, ...], as_json: bool, limit: int | None, prefix: str) -> int:
    """The keys that start with PREFIX, in order, a line each.

    Backslashes and what cannot be printed are written as \\\\, \\n, \\x1b, \\u00a0 and so on, as printf %b
    reads them; --json has keys exactly.
    """

    async def run(client: MetaClient) -> int:
        async for key, record in client.list(prefix, limit):
            click.echo(json.dumps({"key": key} | _fields(record)) if as_json else escaped(key))
        return 0

    return _with_client(endpoint, run)


@kv.command()
@grpc_options
@click.argument("keys", nargs=-1, required=True)
def mget(endpoint: tuple[str, ...], keys: tuple[str, ...]) -> int:
    """A JSON object a key, in the order given; exit code 1 when one is absent."""

    async def run(client: MetaClient) -> int:
        records = await client.mget(list(keys))
        for key, record in zip(keys, records, strict=True):
            click.echo(json.dumps({"key": key} | _fields(record)))
        return 0 if all(records) else 1

    return _with_client(endpoint, run)


@click.command()
@grpc_options
@click.option("--initial-flush", is_flag=True, help="First what the range holds now.")
@click.argument("key")
@click.argument("key_end", required=False)
def watch(endpoint: tuple[str, ...], initial_flush: bool, key: str, key_end: str | None) -> int:
    """Print changes of KEY, or of [KEY, KEY_END), a JSON object a line, until interrupted.

    Exit code 1 when the node ends the watch, with its reason, or goes away.
    """

    async def run(client: MetaClient) -> int:
        async for event in client.watch(key, key_end, initial_flush=initial_flush):
            click.echo(
                json.dumps({"key": event.key, "prev": _fields(event.prev), "current": _fields(event.current)})
            )
        return 0

    return _with_client(endpoint, run)


def _with_client(endpoints: tuple[str, ...], run: Callable[[MetaClient], Coroutine[Any, Any, int]]) -> int:
    async def connected() -> int:
        async with client_of(endpoints) as client:
            return await run(client)

    with refusals_told(endpoints):
        return asyncio.run(connected())


def _fields(record: Record | None) -> dict[str, Any]:
    if record is None:
        return {"seq": 0, "data": None}
    return {
        "seq": record.seq,
        "data": record.data.decode("utf-8", "backslashreplace"),
        "expire_at": record.expire_at,
        "proposed_at_ms": record.proposed_at_ms,
    }


def _print_data(record: Record) -> None:
    if sys.stdout.isatty():
        click.echo(escaped_lines(record.data.decode("utf-8", "backslashreplace")))
        return
    sys.stdout.buffer.write(record.data)
    sys.stdout.buffer.flush()
