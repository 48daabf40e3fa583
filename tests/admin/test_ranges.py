"""``/debug/profiles/range`` on a real node, over windows that are made up."""

import io
import time
from dataclasses import replace

import pytest

from diag.profilers.about import About
from flamegraph.formats import read
from tests.admin.served import Served
from tests.profilers.profiles import about

pytestmark = pytest.mark.anyio

RANGE = "/debug/profiles/range"
STACKS = b"request: GET /x;main (a.py:1);work (a.py:2) 6\nmain (a.py:1) 4\n"
OTHERS = b"main (a.py:1);other (a.py:3) 10\n"


def put(node: Served, ago: float, folded: bytes = STACKS, rate: float = 19.0) -> About:
    """A window of a minute that began so many seconds ago."""
    account = replace(
        about(when=time.time() - ago + 60), when=time.time() - ago, seconds=60.0, rate_asked=rate, samples=10
    )
    node.windows.add(account, folded)
    return account


async def test_no_windows_is_not_found_and_says_what_to_set(node: Served) -> None:
    response = await node.http.get(RANGE)
    assert response.status_code == 404
    assert "[profiling] continuous" in response.text


async def test_an_interval_is_one_picture_that_says_what_it_covers(node: Served) -> None:
    for ago in (600, 540, 400):
        put(node, ago)
    response = await node.http.get(RANGE, params={"from": "-11m"})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/svg+xml"
    assert "3 windows of always-on profiling" in response.text
    assert "Not covered" in response.text
    assert response.headers["x-range-windows"] == "3"
    assert response.headers["x-range-seconds"] == "180.000"
    assert response.headers["x-range-gaps"].count("/") == 3
    assert response.headers["x-profile-samples"] == "30"


async def test_every_format(node: Served) -> None:
    put(node, 120)
    for form in ("svg", "html", "folded", "pprof", "speedscope", "zip", "json"):
        response = await node.http.get(RANGE, params={"format": form})
        assert response.status_code == 200, response.text
        assert response.content
        assert response.headers["x-range-windows"] == "1"


async def test_samples_carry_their_requests(node: Served) -> None:
    put(node, 120)
    by = await node.http.get(RANGE, params={"format": "folded", "by": "request"})
    assert by.text == "request: GET /x;main (a.py:1);work (a.py:2) 6\n[no request];main (a.py:1) 4\n"
    plain = await node.http.get(RANGE, params={"format": "folded"})
    assert plain.text == "main (a.py:1);work (a.py:2) 6\nmain (a.py:1) 4\n"
    packed = await node.http.get(RANGE, params={"format": "pprof"})
    profile = read(io.BytesIO(packed.content), format="pprof", labels="request")
    assert any(b"request: GET /x" in b";".join(map(_bytes, stack)) for stack, _ in profile.stacks())


def _bytes(frame: str | bytes) -> bytes:
    return frame.encode() if isinstance(frame, str) else frame


async def test_two_intervals_are_compared(node: Served) -> None:
    put(node, 1500)
    put(node, 120, OTHERS)
    params = {"from": "-10m", "diff_from": "-30m"}
    picture = await node.http.get(RANGE, params=params)
    assert picture.headers["content-type"] == "image/svg+xml"
    assert "compared to" in picture.text
    told = (await node.http.get(RANGE, params=params | {"format": "json"})).json()
    assert (len(told["base"]["windows"]), len(told["new"]["windows"])) == (1, 1)
    assert any("other" in function["name"] for function in told["functions"])
    assert picture.headers["x-base-range-windows"] == "1"


async def test_windows_of_different_rates_are_compared_by_time(node: Served) -> None:
    put(node, 1500)
    put(node, 120, rate=99.0)
    told = await node.http.get(RANGE, params={"from": "-10m", "diff_from": "-30m", "format": "json"})
    totals = told.json()["totals"]
    assert totals["unit"] == "microseconds"
    assert totals["base"] / totals["new"] == pytest.approx(99 / 19, rel=1e-3)


async def test_the_window_that_is_being_taken_is_in_what_reaches_to_now(node: Served) -> None:
    put(node, 90)
    account = replace(about(), when=time.time() - 30, seconds=30.0, rate_asked=19.0, samples=10)

    async def running() -> tuple[About, bytes]:
        return account, OTHERS

    node.windows.running = running
    response = await node.http.get(RANGE, params={"format": "folded"})
    assert response.headers["x-range-windows"] == "2"
    assert response.text.splitlines()[0] == "main (a.py:1);other (a.py:3) 10"
    assert "main (a.py:1);work (a.py:2) 6" in response.text
    told = (await node.http.get(RANGE, params={"format": "json"})).json()
    assert [window["id"] for window in told["windows"]][1:] == [account.id]
    earlier = await node.http.get(RANGE, params={"format": "folded", "to": "-40s"})
    assert earlier.headers["x-range-windows"] == "1"


async def test_what_is_not_sampled_always_is_refused_with_what_is(node: Served) -> None:
    put(node, 120)
    assert (await node.http.get(RANGE, params={"kind": "cpu"})).status_code == 200
    response = await node.http.get(RANGE, params={"kind": "heap"})
    assert response.status_code == 400
    assert "kind is 'heap'" in response.text
    assert "/debug/pprof/memory" in response.text


async def test_a_damaged_window_is_left_out_and_told(node: Served) -> None:
    whole, broken = put(node, 240), put(node, 120)
    path = node.windows.path(broken.id)
    path.write_bytes(path.read_bytes()[:-12])
    response = await node.http.get(RANGE, params={"format": "folded"})
    assert response.headers["x-range-windows"] == "1"
    assert response.headers["x-range-damaged"] == broken.id
    assert response.headers["x-profile-samples"] == "10"
    node.windows.path(whole.id).unlink()
    assert (await node.http.get(RANGE, params={"format": "folded"})).status_code == 404


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"from": "yesterday"}, "from is 'yesterday'"),
        ({"from": "now", "to": "-5m"}, "from must be before to"),
        ({"diff_to": "-1h"}, "diff_to goes with diff_from"),
        ({"diff_from": "-1h", "diff_to": "-2h"}, "diff_from must be before diff_to"),
        ({"diff_from": "-1h", "format": "pprof"}, "format is 'pprof'"),
        ({"by": "thread"}, "by is 'thread'"),
        ({"form": "svg"}, "did you mean"),
        ({"from": "-1h", "to": "-50m"}, "No window"),
    ],
)
async def test_bad_questions(node: Served, params: dict[str, str], says: str) -> None:
    put(node, 120)
    response = await node.http.get(RANGE, params=params)
    assert response.status_code == (404 if says == "No window" else 400)
    assert says in response.text


async def test_it_is_guarded(node: Served) -> None:
    async with node.from_elsewhere() as client:
        assert (await client.get(RANGE)).status_code == 403


async def test_an_hour_of_windows_is_merged_outside_this_process(node: Served) -> None:
    lines = b"".join(b"main (a.py:1);f%d (a.py:%d) 1\n" % (number, number) for number in range(500))
    for minute in range(60):
        put(node, 3700 - 60 * minute, lines)
    response = await node.http.get(RANGE, params={"from": "-2h", "format": "folded"})
    assert response.headers["x-profile-samples"] == "30000"
    assert response.text.startswith("main (a.py:1);f0 (a.py:0) 60\n")


async def test_no_profile_is_called_as_the_route_is(node: Served) -> None:
    response = await node.http.get(
        "/debug/pprof/profile", params={"seconds": "0.1", "engine": "inprocess", "name": "range"}
    )
    assert response.status_code == 400
    assert "route's own" in response.text
