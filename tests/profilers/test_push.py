"""Windows pushed to a small HTTP server that keeps what it gets."""

import asyncio
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from diag.profilers.push import Pusher, Target
from tests.polling import until_async
from tests.profilers.profiles import FOLDED, about, capture

pytestmark = pytest.mark.anyio

LABELLED = b"request: GET /v1/health;" + FOLDED


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Server:
    """Answers with ``statuses`` one after another, then with the last of them."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.requests: list[tuple[str, dict[str, str], bytes]] = []

    async def __aenter__(self) -> "Server":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = await reader.readexactly(int(headers["content-length"]))
        self.requests.append((head[0], headers, body))
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        writer.write(f"HTTP/1.1 {status} Said\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()


async def no_pause(_: float) -> None:
    await asyncio.sleep(0)


async def test_nothing_offered_is_nothing_sent() -> None:
    async with Server(200) as server:
        pusher = Pusher(Target(server.url))
        pusher.start()
        await asyncio.sleep(0)
        await pusher.close()
        assert server.requests == []


async def test_a_window_arrives_as_the_server_wants_it() -> None:
    async with Server(200) as server:
        pusher = Pusher(Target(server.url + "/base/", "meta", "Bearer s3cret", "team-a"))
        pusher.start()
        account = replace(about(), when=1_700_000_000.4, seconds=60.0, rate_asked=19.0)
        pusher.offer(account, capture(labelled=LABELLED))
        await until_async(lambda: pusher.counts.sent == 1)
        await pusher.close()
    [(line, headers, body)] = server.requests
    method, target, _ = line.split()
    assert (method, urlsplit(target).path, body) == ("POST", "/base/ingest", LABELLED)
    assert {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()} == {
        "name": "meta.cpu{node_id=1,version=0.1.0}",
        "from": "1700000000",
        "until": "1700000060",
        "format": "folded",
        "sampleRate": "19",
        "spyName": "metadiag",
        "units": "samples",
        "aggregationType": "sum",
    }
    assert headers["authorization"] == "bearer s3cret"
    assert headers["x-scope-orgid"] == "team-a"


async def test_a_window_without_samples_is_not_sent() -> None:
    pusher = Pusher(Target("http://127.0.0.1:1"))
    pusher.offer(about(), capture(b""))
    await pusher.close()
    assert pusher.counts.dropped == 0


async def test_what_fails_for_now_is_tried_again_less_and_less_often() -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(0)

    async with Server(503, 429, 500, 200) as server:
        pusher = Pusher(Target(server.url), pause)
        pusher.start()
        pusher.offer(about(), capture())
        await until_async(lambda: pusher.counts.sent == 1)
        await pusher.close()
    assert (pusher.counts.failed, pusher.counts.dropped, pauses) == (3, 0, [1, 2, 4])


async def test_what_is_refused_for_good_is_dropped_and_the_next_one_sent() -> None:
    async with Server(400, 200) as server:
        pusher = Pusher(Target(server.url), no_pause)
        pusher.start()
        for _ in range(2):
            pusher.offer(about(), capture())
        await until_async(lambda: pusher.counts.sent == 1)
        await pusher.close()
    assert (pusher.counts.failed, pusher.counts.dropped, len(server.requests)) == (1, 1, 2)


async def test_a_server_that_is_away_costs_a_bounded_queue() -> None:
    pusher = Pusher(Target("http://127.0.0.1:1"), no_pause)
    pusher.start()
    for _ in range(100):
        pusher.offer(about(), capture())
    await until_async(lambda: pusher.counts.failed > 3)
    assert pusher.counts.dropped == 68
    await pusher.close()
    assert (pusher.counts.sent, pusher.counts.dropped) == (0, 100)
