"""Real profiles of the test's own process, by real engines, over real HTTP."""

import asyncio
from xml.etree import ElementTree

import httpx
import pytest

from tests.admin.served import Served
from tests.polling import until_async

pytestmark = pytest.mark.anyio

CPU, HEAP, TRACE, THREADS = (f"/debug/pprof/{name}" for name in ("profile", "heap", "trace", "threads"))
UPSTREAM_HEAP = "/debug/mem/pprof/profile"
BAD_SECONDS = ("0", "0.09", "300.1", "-1", "nan", "inf", "1e9", "five", "")
BAD_PARAMETERS = [
    *((route, "seconds", BAD_SECONDS) for route in (CPU, HEAP, UPSTREAM_HEAP, TRACE)),
    (CPU, "frequency", ("0", "1001", "-99", "9.5", "nan", "often", "")),
    (CPU, "mode", ("peak", "CPU", "")),
    (CPU, "engine", ("pyspy", "perf", "")),
    (CPU, "native", ("maybe", "2")),
    *((route, "mode", ("cpu", "leak", "")) for route in (HEAP, UPSTREAM_HEAP)),
    (HEAP, "small_objects", ("maybe",)),
    (TRACE, "renderer", ("svg", "")),
    *((route, "format", ("png", "SVG", "")) for route in (CPU, HEAP, UPSTREAM_HEAP, TRACE)),
    (THREADS, "format", ("svg", "")),
]
CAPTURES = [
    (CPU, {"engine": "inprocess"}, "inprocess", "cpu"),
    (CPU, {"engine": "inprocess", "mode": "wall"}, "inprocess", "wall"),
    (CPU, {"engine": "py-spy"}, "py-spy", "cpu"),
    (HEAP, {}, "memray", "peak"),
    (UPSTREAM_HEAP, {"mode": "leaks"}, "memray", "leaks"),
    (HEAP, {"mode": "temporary"}, "memray", "temporary"),
    (HEAP, {"mode": "allocations"}, "memray", "allocations"),
    (TRACE, {}, "cProfile", "calls"),
    (TRACE, {"renderer": "flameprof"}, "cProfile", "calls"),
]


@pytest.mark.parametrize(("route", "name", "values"), BAD_PARAMETERS)
async def test_a_bad_parameter_is_400_and_named(
    node: Served, route: str, name: str, values: tuple[str, ...]
) -> None:
    for value in values:
        response = await node.http.get(route, params={name: value})
        assert response.status_code == 400, value
        assert response.headers["content-type"].startswith("text/plain")
        assert name in response.text
        assert response.text.count("\n") == 1
        assert node.lock.holder() is None


async def test_the_range_of_seconds_is_told(node: Served) -> None:
    for route in (CPU, HEAP, UPSTREAM_HEAP, TRACE):
        response = await node.http.get(route, params={"seconds": "301"})
        assert "0.1" in response.text
        assert "300" in response.text


async def test_an_unknown_parameter_names_the_nearest(node: Served) -> None:
    for route in (CPU, HEAP, UPSTREAM_HEAP, TRACE):
        response = await node.http.get(route, params={"second": "1"})
        assert response.status_code == 400
        assert "did you mean 'seconds'? Known: " in response.text
        assert "format" in response.text
        far = await node.http.get(route, params={"rate": "1"})
        assert far.status_code == 400
        assert "did you mean" not in far.text
        assert "'rate'; known: " in far.text


async def test_the_load_before_and_meanwhile_is_told_in_headers_and_footer(node: Served) -> None:
    for _ in range(2):  # what was before is known once the node has run for a moment
        response = await node.http.get(CPU, params={"seconds": "0.5"})
    assert float(response.headers["x-profile-calls"]) >= 0
    assert float(response.headers["x-profile-calls-before"]) >= 0
    assert float(response.headers["x-profile-loop-lag"]) >= 0
    assert "RPCs a second, " in response.text
    assert "before" in response.text
    account = await node.http.get(f"/debug/profiles/{response.headers['x-profile-id']}?format=json")
    assert account.json()["load"]["requests_before"] >= 0


async def test_the_rate_is_chosen_where_none_is_asked_for(node: Served) -> None:
    response = await node.http.get(CPU, params={"seconds": "0.2"})
    assert "Hz was chosen for" in response.headers["x-profile-notes"]
    assert "x-profile-rate-asked" not in response.headers
    assert 1 <= float(response.headers["x-profile-rate"]) <= 99


async def test_a_parameter_given_twice_is_refused(node: Served) -> None:
    for route in (CPU, HEAP, TRACE, THREADS):
        response = await node.http.get(f"{route}?format=text&format=json")
        assert response.status_code == 400
        assert "more than once" in response.text


@pytest.mark.parametrize(("route", "params", "engine", "mode"), CAPTURES)
async def test_a_profile_is_a_picture_and_its_headers_say_what_was_measured(
    node: Served, route: str, params: dict[str, str], engine: str, mode: str
) -> None:
    response = await node.http.get(route, params={"seconds": "0.5", **params})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/svg+xml"
    assert ElementTree.fromstring(response.content).tag == "{http://www.w3.org/2000/svg}svg"
    assert response.headers["x-profile-engine"] == engine
    assert response.headers["x-profile-mode"] == mode
    assert float(response.headers["x-profile-seconds"]) >= 0.4
    assert int(response.headers["x-profile-samples"]) >= 0
    assert int(response.headers["x-profile-errors"]) >= 0
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["content-disposition"].startswith('inline; filename="')
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert node.lock.holder() is None


async def test_folded_stacks_instead_of_a_picture(node: Served) -> None:
    params = {"seconds": "0.5", "mode": "wall", "engine": "inprocess", "format": "folded"}
    response = await node.http.get(CPU, params=params)
    assert response.headers["content-type"].startswith("text/plain")
    lines = response.text.splitlines()
    assert lines
    assert all(line.rpartition(" ")[2].isdecimal() for line in lines)
    assert float(response.headers["x-profile-rate"]) > 0


async def test_an_accept_that_names_text_alone_gets_folded_stacks(node: Served) -> None:
    params = {"seconds": "0.2", "engine": "inprocess"}
    text = await node.http.get(CPU, params=params, headers={"accept": "text/plain"})
    assert text.headers["content-type"].startswith("text/plain")
    browser = {"accept": "text/html,application/xhtml+xml,image/avif,image/webp,*/*;q=0.8"}
    picture = await node.http.get(CPU, params=params, headers=browser)
    assert picture.headers["content-type"] == "image/svg+xml"
    wins = await node.http.get(CPU, params={**params, "format": "svg"}, headers={"accept": "text/plain"})
    assert wins.headers["content-type"] == "image/svg+xml"


async def test_a_second_profile_is_409_with_the_holder_and_when_to_retry(node: Served) -> None:
    first = asyncio.create_task(node.http.get(CPU, params={"seconds": "30", "engine": "inprocess"}))
    await until_async(lambda: node.lock.holder() is not None)
    for route in (CPU, HEAP, TRACE):
        second = await node.http.get(route, params={"seconds": "0.1"})
        assert second.status_code == 409
        assert "CPU profile for 127.0.0.1" in second.text
        assert 1 <= int(second.headers["retry-after"]) <= 60
        assert second.headers["x-go-pprof"] == "1"
    assert (await node.http.get(THREADS)).status_code == 200
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await until_async(lambda: node.lock.holder() is None)


@pytest.mark.parametrize(
    ("route", "params"),
    [
        (CPU, {"engine": "inprocess"}),
        (CPU, {"engine": "py-spy"}),
        (HEAP, {}),
        (TRACE, {}),
    ],
)
async def test_a_client_that_goes_ends_its_profile(node: Served, route: str, params: dict[str, str]) -> None:
    with pytest.raises(httpx.ReadTimeout):
        await node.http.get(route, params={"seconds": "120", **params}, timeout=httpx.Timeout(10.0, read=1.0))
    await until_async(lambda: node.lock.holder() is None)
    again = await node.http.get(route, params={"seconds": "0.2", **params})
    assert again.status_code == 200, again.text


async def test_closing_the_profilers_answers_the_running_request(node: Served) -> None:
    running = asyncio.create_task(node.http.get(CPU, params={"seconds": "60", "engine": "inprocess"}))
    await until_async(lambda: node.lock.holder() is not None)
    await node.profilers.close()
    assert (await running).status_code == 503


async def test_threads_as_text_and_as_json(node: Served) -> None:
    text = await node.http.get(THREADS)
    assert text.headers["content-type"].startswith("text/plain")
    assert "MainThread" in text.text
    dump = (await node.http.get(THREADS, params={"format": "json"})).json()
    assert any(thread["name"] == "MainThread" for thread in dump["threads"])
    assert any("admin server" in task["name"] for task in dump["tasks"])
    accepted = await node.http.get(THREADS, headers={"accept": "application/json"})
    assert accepted.headers["content-type"] == "application/json"
