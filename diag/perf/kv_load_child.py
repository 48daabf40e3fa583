"""The KV load's process: puts, gets, transactions and lists by our own client until it is ended.

About every tenth of a second it prints one JSON object, ``{"at", "done", "took"}``:
``time.monotonic`` (one clock for all processes), the operations done so far, and the microseconds that each
operation since the last report took. With ``--http`` it asks the admin API for its health instead.
"""

import argparse
import asyncio
import json
import sys
import time

import grpc.aio

from diag.errors import MetaError
from diag.replication.unreached import meaning_of, plainly
from diag.rpc.client import MetaClient
from diag.rpc.stubs import meta_pb2 as pb

_VALUE = b"v" * 100
_KEYS = 100
_REPORT_SECONDS = 0.1
_INTERRUPTED = 130


class Worker:
    """One operation after another: puts, gets, transactions, lists, in a fixed order over its own keys."""

    def __init__(self, client: MetaClient, number: int) -> None:
        self._client = client
        self._prefix = f"__load/{number}/"
        self.done = 0
        self.took: list[int] = []

    async def run(self) -> None:
        """Until cancelled; an error of the service ends it."""
        turn = 0
        while True:
            began = time.perf_counter()
            await self._operation(turn)
            self.took.append(round((time.perf_counter() - began) * 1e6))
            self.done += 1
            turn += 1

    async def _operation(self, turn: int) -> None:
        key = f"{self._prefix}{turn // 10 % _KEYS:02}"
        match turn % 10:
            case 0 | 1 | 2:
                await self._client.put(key, _VALUE)
            case 3:
                await self._client.transaction(create_or_renew(key))
            case 4:
                async for _ in self._client.list(key[:-1]):
                    pass
            case 5:
                await self._client.mget([key, f"{self._prefix}absent"])
            case _:
                await self._client.get(key)


def create_or_renew(key: str) -> pb.TxnRequest:
    """What a catalogue does all day: a compare and two writes, or a read."""
    return pb.TxnRequest(
        condition=[pb.TxnCondition(key=key, seq=0, expected=pb.TxnCondition.GT)],
        if_then=[
            pb.TxnOp(put=pb.TxnPutRequest(key=key, value=_VALUE)),
            pb.TxnOp(put=pb.TxnPutRequest(key=f"{key}/meta", value=_VALUE)),
        ],
        else_then=[pb.TxnOp(get=pb.TxnGetRequest(key=key))],
    )


class Asker(Worker):
    """One GET after another on a connection of its own, in as little of this process's time as can be."""

    def __init__(self, client: MetaClient, number: int, endpoint: str) -> None:
        super().__init__(client, number)
        self._endpoint = endpoint
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def _operation(self, turn: int) -> None:
        if self._streams is None:
            host, _, port = self._endpoint.rpartition(":")
            self._streams = await asyncio.open_connection(host, int(port))
        reader, writer = self._streams
        writer.write(f"GET /v1/health HTTP/1.1\r\nHost: {self._endpoint}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))


async def run(endpoint: str, in_flight: int, http: bool) -> None:
    """Load the service at host:port until cancelled, with a report about every tenth of a second."""
    async with MetaClient([endpoint]) as client, asyncio.TaskGroup() as tasks:
        workers = [
            Asker(client, number, endpoint) if http else Worker(client, number) for number in range(in_flight)
        ]
        for worker in workers:
            tasks.create_task(worker.run())
        while True:
            await asyncio.sleep(_REPORT_SECONDS)
            done = sum(worker.done for worker in workers)
            if done:  # the first report means that the service answers
                took = [each for worker in workers for each in worker.took]
                sys.stdout.write(json.dumps({"at": time.monotonic(), "done": done, "took": took}) + "\n")
                sys.stdout.flush()
                for worker in workers:
                    worker.took.clear()


def main() -> int:
    """The load's own process; 1 when the service cannot be used, 130 when interrupted."""
    parser = argparse.ArgumentParser(prog="python -m diag.perf.kv_load_child")
    parser.add_argument("--endpoint", required=True, help="host:port of the gRPC API")
    parser.add_argument("--in-flight", type=int, default=16)
    parser.add_argument("--http", action="store_true", help="the endpoint is the admin API")
    options = parser.parse_args()
    try:
        asyncio.run(run(options.endpoint, options.in_flight, options.http))
    except ExceptionGroup as group:
        sys.stderr.write(f"The load on {options.endpoint} ends: {_reason(group)}\n")
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    return 0


def _reason(error: Exception) -> str:
    """Of the first worker that failed; the others fail with it. What nobody foresaw is raised."""
    match error:
        case ExceptionGroup():
            return _reason(error.exceptions[0])
        case grpc.aio.AioRpcError():
            details = error.details() or ""
            return f"{error.code().name}: {meaning_of(details) or plainly(details)}"
        case MetaError() | OSError() | EOFError():
            return str(error)
    raise error


if __name__ == "__main__":
    sys.exit(main())
