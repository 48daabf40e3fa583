import asyncio
import threading

import pytest

from diag.profilers.labels import in_flight, name_task, request_now, rooted, without_ids, without_labels

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_task_without_a_name_serves_nothing() -> None:
    loop = asyncio.get_running_loop()
    assert await asyncio.create_task(asked(loop)) is None
    assert in_flight() == {}


async def asked(loop: asyncio.AbstractEventLoop, name: str | None = None) -> str | None:
    if name is not None:
        name_task(name)
    return request_now(loop, ())


@pytest.mark.parametrize("name", ["/meta.MetaService/KvApi", "GET /v1/metrics", "DELETE /debug/profiles/x"])
async def test_a_task_serves_what_it_is_called(name: str) -> None:
    assert await asked(asyncio.get_running_loop(), name) == name


async def test_a_name_that_is_no_request_is_none() -> None:
    assert await asked(asyncio.get_running_loop(), "loop lag") is None


async def test_a_long_name_is_cut() -> None:
    told = await asked(asyncio.get_running_loop(), "GET /" + "x" * 1000)
    assert told is not None
    assert len(told) == 120


async def test_requests_in_flight_are_counted() -> None:
    waiting = [asyncio.create_task(asyncio.sleep(60), name="/meta.MetaService/Watch") for _ in range(3)]
    assert in_flight() == {"/meta.MetaService/Watch": 3}
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert in_flight() == {}


async def test_another_thread_can_ask() -> None:
    name_task("GET /v1/health")
    loop, told = asyncio.get_running_loop(), list[str | None]()
    thread = threading.Thread(target=lambda: told.append(request_now(loop, ())))
    thread.start()
    thread.join()
    assert told == ["GET /v1/health"]


def test_a_short_read_is_known_by_its_function() -> None:
    from diag.rpc.shortcut import ShortReads

    loop = asyncio.new_event_loop()
    assert request_now(loop, (ShortReads.answer.__code__,)) == "/meta.MetaService/KvReadV1"
    assert request_now(loop, ()) is None
    loop.close()


def test_labels_are_taken_off() -> None:
    assert without_labels({}) == without_ids({}) == {}
    labelled = {
        "request: GET /;request_id: a;main;x": 1,
        "request: GET /;request_id: b;main;x": 2,
        "main;x": 4,
    }
    assert without_ids(labelled) == {"request: GET /;main;x": 3, "main;x": 4}
    assert without_labels(labelled) == {"main;x": 7}
    assert rooted(without_ids(labelled)) == {"request: GET /;main;x": 3, "[no request];main;x": 4}
    assert without_ids({"main;f;request_id: a;x": 1}) == {"main;f;request_id: a;x": 1}
