"""What the gRPC layer costs: puts and gets against empty calls, and one transport against the other.

``python -m diag.perf.rpc_bench`` prints the ratios; ``measure`` returns them. All loads take turns of half a
second in one run, 16 calls in flight, the servers in processes of their own.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

import click
import grpc.aio
from rich.console import Console

from diag.perf.children import environment
from diag.perf.figures import Figure, table
from diag.perf.rpc_bench_server import EMPTY_SERVICE
from diag.rpc.auth import TOKEN_KEY
from diag.rpc.stubs import auth_pb2
from diag.rpc.stubs import meta_pb2 as pb

IN_FLIGHT = 16
TURN_SECONDS = 0.5
ROUNDS = 6

Load = Literal["empty", "put", "empty-stream", "get"]
LOADS: tuple[Load, ...] = ("empty", "put", "empty-stream", "get")

_PUT = pb.TxnRequest(if_then=[pb.TxnOp(put=pb.TxnPutRequest(key="bench/key", value=b"v" * 100))])
_GET = pb.RaftRequest(data='{"MGetKV":{"keys":["bench/key"]}}')


class Rate(NamedTuple):
    """Calls made, and the seconds of clock and of server CPU they took."""

    calls: int = 0
    seconds: float = 0.0
    cpu: float = 0.0

    def __add__(self, other: object) -> "Rate":
        assert isinstance(other, Rate)
        return Rate(self.calls + other.calls, self.seconds + other.seconds, self.cpu + other.cpu)

    @property
    def per_second(self) -> float:
        return self.calls / self.seconds

    @property
    def per_cpu_second(self) -> float:
        return self.calls / self.cpu


class _Server:
    """One server process and a client's channel to it."""

    def __init__(self, directory: Path, transport: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "diag.perf.rpc_bench_server", str(directory), transport],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(),
            text=True,
        )
        self._channel = grpc.aio.insecure_channel(f"127.0.0.1:{int(self._answer())}")

    async def __aenter__(self) -> Self:
        payload = auth_pb2.BasicAuth(username="root").SerializeToString()
        handshake: Any = self._channel.stream_stream("/meta.MetaService/Handshake")
        replies = handshake(iter([pb.HandshakeRequest(payload=payload).SerializeToString()]))
        (reply,) = [reply async for reply in replies]
        token = pb.HandshakeResponse.FromString(reply).payload
        self._calls = self._make_calls(((TOKEN_KEY, token),))
        await self._calls["put"]()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._channel.close()
        self._process.communicate(timeout=30)

    async def run(self, load: Load, seconds: float) -> Rate:
        """Keep ``IN_FLIGHT`` calls going."""
        call, calls = self._calls[load], 0
        before, started = self._cpu(), time.perf_counter()
        end = started + seconds

        async def loop() -> None:
            nonlocal calls
            while time.perf_counter() < end:
                await call()
                calls += 1

        await asyncio.gather(*(loop() for _ in range(IN_FLIGHT)))
        return Rate(calls, time.perf_counter() - started, self._cpu() - before)

    def _make_calls(self, token: Any) -> dict[Load, Callable[[], Awaitable[object]]]:
        unary, stream = self._channel.unary_unary, self._channel.unary_stream
        empty: Any = unary(f"/{EMPTY_SERVICE}/Unary")
        empty_stream: Any = stream(f"/{EMPTY_SERVICE}/Stream")
        transaction: Any = unary("/meta.MetaService/Transaction")
        read: Any = stream("/meta.MetaService/KvReadV1")
        put, get = _PUT.SerializeToString(), _GET.SerializeToString()

        async def drained(replies: Any) -> None:
            async for _ in replies:
                pass

        return {
            "empty": lambda: empty(b"", metadata=token),
            "put": lambda: transaction(put, metadata=token),
            "empty-stream": lambda: drained(empty_stream(b"", metadata=token)),
            "get": lambda: drained(read(get, metadata=token)),
        }

    def _cpu(self) -> float:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._answer())

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def measure(directory: Path, rounds: int = ROUNDS) -> list[Figure]:
    """Takes about ``rounds`` times four seconds."""
    return _figures(asyncio.run(_measure(directory, rounds)))


async def _measure(directory: Path, rounds: int) -> dict[tuple[str, Load], Rate]:
    rates = {(transport, load): Rate() for transport in ("nghttp2", "grpcio") for load in LOADS}
    async with AsyncExitStack() as stack:
        servers = {}
        for transport in ("nghttp2", "grpcio"):
            place = directory / transport
            place.mkdir()
            servers[transport] = await stack.enter_async_context(_Server(place, transport))
        for _ in range(rounds):
            for transport, load in rates:
                rates[transport, load] += await servers[transport].run(load, TURN_SECONDS)
    return rates


def _figures(rates: dict[tuple[str, Load], Rate]) -> list[Figure]:
    figures = []
    pairs: tuple[tuple[Load, Load], ...] = (("put", "empty"), ("get", "empty-stream"))
    for load, empty in pairs:
        one, base = rates["nghttp2", load], rates["nghttp2", empty]
        detail = f"{one.per_second:,.0f} and {base.per_second:,.0f} calls/s"
        ratio = one.per_second / base.per_second
        figures.append(
            Figure(f"{load} : {empty} call, nghttp2, 16 in flight", ratio, ">=", 0.80, detail=detail)
        )
    for load in LOADS:
        native, grpcio = rates["nghttp2", load], rates["grpcio", load]
        detail = f"{native.per_cpu_second:,.0f} and {grpcio.per_cpu_second:,.0f} calls a CPU second"
        ratio = native.per_cpu_second / grpcio.per_cpu_second
        figures.append(Figure(f"{load}, nghttp2 : grpc.aio, server CPU", ratio, ">=", 1.5, detail=detail))
    return figures


@click.command()
@click.option("--rounds", type=click.IntRange(1, 1000), default=ROUNDS, show_default=True)
def main(rounds: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="rpc-bench-") as place:
        Console().print(table(measure(Path(place), rounds)))


if __name__ == "__main__":
    main()
