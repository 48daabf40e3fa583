"""The KV load's process: puts, gets, transactions and lists by our own client until it is ended.

About every tenth of a second it prints one JSON object, ``{"at", "done"}``:
``time.monotonic`` (one clock for all processes) and the operations done so far.
"""

import argparse
import asyncio
import json
import sys
import time

from diag.rpc.client import MetaClient
from diag.rpc.stubs import meta_pb2 as pb

_VALUE = b"v" * 100
_KEYS = 100
_REPORT_SECONDS = 0.1


class Worker:
    """One operation after another: puts, gets, transactions, lists, in a fixed order over its own keys."""

    def __init__(self, client: MetaClient, number: int) -> None:
        self._client = client
        self._prefix = f"__load/{number}/"
        self.done = 0

    async def run(self) -> None:
        """Until cancelled; an error of the service ends it."""
        turn = 0
        while True:
            await self._operation(turn)
            self.done += 1
            turn += 1

    async def _operation(self, turn: int) -> None:
        key = f"{self._prefix}{turn // 10 % _KEYS:02}"
        match turn % 10:
            case 0 | 1 | 2:
                await self._client.put(key, _VALUE)
            case 3:
                await self._client.transaction(_create_or_renew(key))
            case 4:
                async for _ in self._client.list(key[:-1]):
                    pass
            case 5:
                await self._client.mget([key, f"{self._prefix}absent"])
            case _:
                await self._client.get(key)


def _create_or_renew(key: str) -> pb.TxnRequest:
    """What a catalogue does all day: a compare and two writes, or a read."""
    return pb.TxnRequest(
        condition=[pb.TxnCondition(key=key, seq=0, expected=pb.TxnCondition.GT)],
        if_then=[
            pb.TxnOp(put=pb.TxnPutRequest(key=key, value=_VALUE)),
            pb.TxnOp(put=pb.TxnPutRequest(key=f"{key}/meta", value=_VALUE)),
        ],
        else_then=[pb.TxnOp(get=pb.TxnGetRequest(key=key))],
    )


async def run(endpoint: str, in_flight: int) -> None:
    """Load the service at host:port until cancelled, with a report about every tenth of a second."""
    async with MetaClient([endpoint]) as client, asyncio.TaskGroup() as tasks:
        workers = [Worker(client, number) for number in range(in_flight)]
        for worker in workers:
            tasks.create_task(worker.run())
        while True:
            await asyncio.sleep(_REPORT_SECONDS)
            done = sum(worker.done for worker in workers)
            if done:  # the first report means that the service answers
                sys.stdout.write(json.dumps({"at": time.monotonic(), "done": done}) + "\n")
                sys.stdout.flush()


def main() -> None:
    """The load's own process."""
    parser = argparse.ArgumentParser(prog="python -m diag.perf.kv_load_child")
    parser.add_argument("--endpoint", required=True, help="host:port of the gRPC API")
    parser.add_argument("--in-flight", type=int, default=16)
    options = parser.parse_args()
    asyncio.run(run(options.endpoint, options.in_flight))


if __name__ == "__main__":
    main()
