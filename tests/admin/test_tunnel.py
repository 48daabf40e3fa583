"""The way another node's question takes into the app, with a real app behind it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from diag.admin.tunnel import VOUCH, Tunnel
from diag.errors import Unavailable
from diag.replication import Question
from tests.admin.served import TOKEN, Served
from tests.polling import until_async

pytestmark = pytest.mark.anyio

THREADS = "/debug/pprof/threads"


def get(path: str, **headers: str) -> Question:
    return Question("GET", path, headers)


async def read(body: AsyncIterator[bytes]) -> bytes:
    return b"".join([part async for part in body])


async def test_an_answer_without_a_body_is_empty() -> None:
    async def nothing(_: Request) -> Response:
        return Response(status_code=204)

    answer = await Tunnel(Starlette(routes=[Route("/", nothing)]))(get("/"))
    assert answer.status == 204
    assert await read(answer.body) == b""


async def test_a_question_is_answered_as_a_request_is(node: Served) -> None:
    answer = await Tunnel(node.app)(get("/readyz?verbose"))
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert b"[+]has_leader ok" in await read(answer.body)
    assert (await Tunnel(node.app)(get("/nothing%20here"))).status == 404


async def test_a_question_has_not_what_loopback_has(node: Served) -> None:
    ask = Tunnel(node.app)
    assert (await ask(get(THREADS))).status == 403
    assert (await ask(get(THREADS, host="127.0.0.1"))).status == 403
    assert (await ask(get(THREADS, authorization="Bearer wrong"))).status == 403
    assert (await ask(get(THREADS, authorization=f"Bearer {TOKEN}"))).status == 200
    assert (await ask(get(THREADS, **{VOUCH: "profile ops"}))).status == 200
    assert (await ask(get(THREADS, **{VOUCH: "read ops"}))).status == 403
    for word in ("true", "1", "profile", "profile ", "root ops", " ops"):
        assert (await ask(get(THREADS, **{VOUCH: word}))).status == 403, word


async def test_the_word_of_a_node_is_nothing_in_the_mouth_of_a_client(node: Served) -> None:
    async with node.from_elsewhere() as http:
        assert (await http.get(THREADS, headers={VOUCH: "admin ops"})).status_code == 403


async def test_a_body_comes_as_it_is_made_and_closing_it_ends_the_work() -> None:
    made, ended = 0, False

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal made, ended
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while True:
                made += 1
                await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
        finally:
            ended = True

    tunnel = Tunnel(endless)
    answer = await tunnel(get("/"))
    assert await anext(answer.body) == b"x" * 1000
    assert made < 20, "the app waits for whoever reads"
    await tunnel.close()
    assert ended


async def test_cancelling_a_question_cancels_the_profile_it_asked_for(node: Served) -> None:
    path = "/debug/pprof/profile?seconds=60&engine=inprocess"
    asking = asyncio.create_task(Tunnel(node.app)(get(path, **{VOUCH: "admin ops"})))
    await until_async(lambda: node.lock.holder() is not None)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await until_async(lambda: node.lock.holder() is None)


async def test_an_app_that_fails_says_so() -> None:
    async def fails(_: Request) -> Response:
        raise ValueError("unforeseen")

    async def breaks_off() -> AsyncIterator[bytes]:
        yield b"half"
        raise ValueError("unforeseen")

    async def half(_: Request) -> Response:
        return StreamingResponse(breaks_off())

    tunnel = Tunnel(Starlette(routes=[Route("/", fails), Route("/half", half)]))
    assert (await tunnel(get("/"))).status == 500
    answer = await tunnel(get("/half"))
    with pytest.raises(Unavailable, match="broke off"):
        await read(answer.body)
