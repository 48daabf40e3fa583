import asyncio
import base64
import hashlib
import os
import re
import signal
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import pytest

from diag.admin.answers import answer, measured
from diag.admin.draw import IN_PROCESS_BYTES, Renderer
from diag.admin.drawing import Caption, made
from diag.errors import NoSpace, ProfilerError, ProfilerTooSlow, Unavailable
from diag.profilers.apart import Apart
from diag.profilers.capture import Capture
from tests.limits import files_up_to
from tests.polling import until_async

SVG = "{http://www.w3.org/2000/svg}"


def capture(folded: bytes = b"main (a.py:1);work (a.py:2) 3\n", **changes: object) -> Capture:
    fields: dict[str, object] = {
        "folded": folded,
        "kind": "cpu",
        "unit": "samples",
        "engine": "py-spy",
        "mode": "gil",
        "seconds": 5.01,
        "samples": 3,
        "rate_asked": 99,
        "rate_effective": 98.7,
        "pause_share": 0.0123,
    }
    return Capture(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.anyio
async def test_a_profile_without_samples_is_a_picture() -> None:
    response = await answer(Renderer(), capture(b"", samples=0), "svg", 1)
    assert response.status_code == 200
    assert ElementTree.fromstring(bytes(response.body)).tag == f"{SVG}svg"
    assert response.headers["x-profile-samples"] == "0"
    assert b"mode=wall shows what its threads wait for" in bytes(response.body)


@pytest.mark.anyio
async def test_a_picture_of_waiting_threads_is_not_called_cpu() -> None:
    response = await answer(Renderer(), capture(mode="wall"), "svg", 1)
    assert b"<title>Wall clock of meta node 1</title>" in bytes(response.body)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("share", "told"), [(0.0, "0 %"), (0.000_01, "less than 0.01 %"), (0.000_44, "0.044 %"), (0.5, "50 %")]
)
async def test_the_share_of_pauses_has_digits_that_count(share: float, told: str) -> None:
    response = await answer(Renderer(), capture(pause_share=share), "svg", 1)
    assert f"stopped {told} of the time" in unescape(bytes(response.body).decode())


@pytest.mark.anyio
async def test_a_profile_without_samples_is_an_empty_text() -> None:
    response = await answer(Renderer(), capture(b"", samples=0), "folded", 1)
    assert bytes(response.body) == b""


def test_headers_say_what_was_measured() -> None:
    assert measured(capture(notes=("The rate was lowered.", "Line\nbreak é."))) == {
        "X-Profile-Engine": "py-spy",
        "X-Profile-Mode": "gil",
        "X-Profile-Unit": "samples",
        "X-Profile-Seconds": "5.010",
        "X-Profile-Rate": "98.70",
        "X-Profile-Rate-Asked": "99",
        "X-Profile-Samples": "3",
        "X-Profile-Errors": "0",
        "X-Profile-Pause-Share": "0.0123",
        "X-Profile-Notes": "The rate was lowered. Line break ?.",
    }


def test_a_figure_that_was_not_taken_has_no_header() -> None:
    headers = measured(capture(rate_asked=None, rate_effective=None, pause_share=None))
    assert not [name for name in headers if "Rate" in name or "Pause" in name or "Notes" in name]


def test_long_notes_are_cut_to_what_a_header_may_hold() -> None:
    assert len(measured(capture(notes=("x" * 10_000,)))["X-Profile-Notes"]) == 2000


@pytest.mark.anyio
async def test_the_policy_lets_exactly_the_picture_s_own_script_run() -> None:
    response = await answer(Renderer(), capture(), "svg", 1)
    body = bytes(response.body)
    scripts = [
        s for s in ElementTree.fromstring(body).iter(f"{SVG}script") if "json" not in s.get("type", "")
    ]
    policy = response.headers["content-security-policy"]
    allowed = set(re.findall(r"'sha256-([^']+)'", policy))
    assert scripts
    for script in scripts:
        digest = hashlib.sha256((script.text or "").encode()).digest()
        assert base64.b64encode(digest).decode() in allowed
    assert "unsafe-inline" not in policy.partition("script-src")[2]


@pytest.mark.anyio
async def test_a_frame_named_like_a_script_is_not_let_through() -> None:
    hostile = b"</script><script>alert(1)</script> (a.py:1) 3\n"
    plain = await answer(Renderer(), capture(), "svg", 1)
    response = await answer(Renderer(), capture(hostile), "svg", 1)
    alert = base64.b64encode(hashlib.sha256(b"alert(1)").digest()).decode()
    assert alert not in response.headers["content-security-policy"]
    executable = [
        script.text
        for script in ElementTree.fromstring(bytes(response.body)).iter(f"{SVG}script")
        if "json" not in script.get("type", "")
    ]
    assert executable == [
        script.text
        for script in ElementTree.fromstring(bytes(plain.body)).iter(f"{SVG}script")
        if "json" not in script.get("type", "")
    ]


@pytest.mark.anyio
async def test_flameprof_s_own_picture_is_passed_on_without_scripts() -> None:
    own = '<svg xmlns="http://www.w3.org/2000/svg"><title>flameprof</title></svg>'
    response = await answer(Renderer(), capture(kind="trace", native_svg=own), "svg", 1)
    assert bytes(response.body).decode() == own
    assert response.headers["content-security-policy"].endswith("script-src 'none'")


@pytest.mark.anyio
async def test_the_file_name_says_what_of_which_node() -> None:
    response = await answer(Renderer(), capture(), "folded", 7)
    pattern = r'inline; filename="cpu-gil-node7-\d{8}T\d{6}Z\.folded"'
    assert re.fullmatch(pattern, response.headers["content-disposition"])


def large() -> bytes:
    lines = (f"main (a.py:1);work{n} (a.py:{n});leaf{n} (b.py:{n}) {n + 1}\n" for n in range(6000))
    return "".join(lines).encode()


@pytest.mark.anyio
async def test_a_child_draws_a_large_profile_exactly_as_a_thread_does() -> None:
    caption = Caption("Title", "subtitle", ("One note.",), "samples")
    folded = large()
    assert len(folded) > IN_PROCESS_BYTES
    assert await Renderer().draw(folded, caption) == made(folded, caption, "svg", None)


@pytest.mark.anyio
async def test_a_child_that_cannot_draw_says_why() -> None:
    caption = Caption("Title", "", (), "no such unit\n")
    with pytest.raises(ProfilerError, match=r"could not be drawn; the process for that said: .*unit"):
        await Renderer().draw(large(), caption)


needs_proc = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")


def children() -> set[str]:
    """Ids of the processes that any thread of this one started."""
    lists = (task / "children" for task in Path("/proc/self/task").iterdir())
    return {pid for found in lists if found.exists() for pid in found.read_text().split()}


def is_drawing(pid: str) -> bool:
    """Whether it is that program by now: one stopped before that would hold whoever starts it."""
    try:
        return b"diag.admin.drawing" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


async def begun(renderer: Renderer) -> asyncio.Task[bytes]:
    """A drawing whose process has begun, and does not go on."""
    before = children()
    drawing = asyncio.create_task(renderer.draw(large(), Caption("Title", "", (), "samples")))
    await until_async(lambda: any(map(is_drawing, children() - before)))
    for pid in filter(is_drawing, children() - before):
        os.kill(int(pid), signal.SIGSTOP)
    return drawing


@pytest.mark.anyio
@needs_proc
async def test_cancelling_ends_the_child() -> None:
    before = children()
    drawing = await begun(Renderer())
    drawing.cancel()
    await asyncio.gather(drawing, return_exceptions=True)
    await until_async(lambda: not children() - before)
    assert drawing.cancelled()


@pytest.mark.anyio
@needs_proc
async def test_who_gets_no_turn_to_draw_hears_so() -> None:
    renderer, before = Renderer(Apart(at_once=1, patience=0.2)), children()
    first = await begun(renderer)
    with pytest.raises(Unavailable, match=r"1 large profiles? at a time.*within 0.2 s"):
        await renderer.draw(large(), Caption("Title", "", (), "samples"))
    assert len(children() - before) == 1
    assert await renderer.draw(b"a 1\n", Caption("Title", "", (), "samples")), "a small one needs none"
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert await renderer.draw(large(), Caption("Title", "", (), "samples"))


@pytest.mark.anyio
@needs_proc
async def test_a_drawing_that_takes_too_long_is_given_up() -> None:
    before = children()
    with pytest.raises(ProfilerTooSlow, match=r"not drawn within 0.01 s.*format=folded") as told:
        await Renderer(Apart(seconds=0.01)).draw(large(), Caption("Title", "", (), "samples"))
    assert (told.value.http_status, told.value.grpc_status) == (504, "DEADLINE_EXCEEDED")
    assert "fewer seconds" in str(told.value)
    assert not children() - before


@pytest.mark.anyio
async def test_a_comparison_that_takes_too_long_says_how_to_compare_without_the_node() -> None:
    with pytest.raises(ProfilerTooSlow, match=r"each of the two with format=folded.*`flamegraph diff`"):
        await Renderer(Apart(seconds=0.01)).draw(large(), Caption("Title", "", (), "samples"), "svg", large())


@pytest.mark.anyio
async def test_a_full_place_for_temporary_files_is_told() -> None:
    with files_up_to(100_000), pytest.raises(NoSpace, match=r"temporary files refused it.*TMPDIR"):
        await Renderer().draw(large(), Caption("Title", "", (), "samples"))
