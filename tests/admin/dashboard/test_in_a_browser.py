"""Profiles in a real browser: taken, cancelled, compared; actions behind a confirmation."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, expect

from tests.admin.dashboard.seen import tabbed_to, violations, wider_than_seen
from tests.admin.dashboard.test_kept_pages import STACKS, bring
from tests.admin.dashboard.test_looks import slow_request
from tests.admin.members import Cluster
from tests.admin.served import Served
from tests.chromium import opened

pytestmark = [pytest.mark.anyio, pytest.mark.browser, pytest.mark.timeout(180)]

PATIENCE_MS = 60_000


def address(node: Served, path: str) -> str:
    return f"http://127.0.0.1:{node.port}{path}"


@contextlib.asynccontextmanager
async def busy(node: Served) -> AsyncIterator[None]:
    """A node that has something to show."""

    async def write() -> None:
        while True:
            await node.put("a", b"1")

    writing = asyncio.create_task(write())
    yield
    writing.cancel()


async def shows_a_flame_graph(page: Page) -> None:
    picture = page.frame_locator("iframe.picture")
    await expect(picture.locator("svg.flamegraph .frames path").first).to_be_attached(timeout=PATIENCE_MS)


async def test_a_cpu_profile_by_clicking(node: Served, browser: Browser) -> None:
    page, complaints = await opened(browser, address(node, "/"))
    await page.get_by_role("link", name="Profile", exact=True).click()
    await page.get_by_label("Wall clock").check()
    await page.get_by_label("CPU").check()
    await page.get_by_label("Seconds").fill("1.5")
    await page.get_by_label("Name, if you like").fill("by-clicking")
    async with busy(node):
        await page.get_by_role("button", name="Start").click()
        await expect(page.get_by_role("progressbar")).to_be_visible()
        await expect(page.locator(".state")).to_have_text("kept", timeout=PATIENCE_MS)
    await expect(page.locator("h1")).to_have_text("by-clicking")
    await shows_a_flame_graph(page)
    # The picture's own search works where it stands: its script is allowed by its own policy.
    picture = page.frame_locator("iframe.picture")
    await picture.locator("input").fill("all")
    await expect(picture.locator(".matched")).to_contain_text("%")
    assert complaints.said == []


async def test_one_of_all_nodes_at_once(cluster: Cluster, browser: Browser) -> None:
    page, complaints = await opened(browser, address(cluster.first, "/ui/profile?node=all&kind=wall"))
    await page.get_by_label("Seconds").fill("0.3")
    await page.get_by_role("button", name="Start").click()
    # One process holds all three nodes here, so two of them find its profiler in use.
    await expect(page.locator(".state")).to_have_text("kept", timeout=PATIENCE_MS)
    await shows_a_flame_graph(page)
    assert complaints.said == []


async def test_cancel(node: Served, browser: Browser) -> None:
    page, _ = await opened(browser, address(node, "/ui/profile"))
    await page.get_by_label("Wall clock").check()
    await page.get_by_label("Seconds").fill("300")
    await page.get_by_role("button", name="Start").click()
    await expect(page.get_by_role("timer")).to_contain_text("s to go")
    assert node.lock.holder() is not None
    await page.get_by_role("button", name="Cancel").click()
    await expect(page).to_have_url(re.compile("/ui/profile$"))
    assert node.lock.holder() is None


async def test_a_refusal_stands_beside_the_button(node: Served, browser: Browser) -> None:
    page, _ = await opened(browser, address(node, "/ui/profile"))
    with node.lock.hold("somebody's <b>profile</b>", 30):
        await page.get_by_role("button", name="Start").click()
        await expect(page.locator("[data-said].bad")).to_contain_text("somebody's <b>profile</b>")


async def test_compare_rename_and_delete(node: Served, browser: Browser, axe: str) -> None:
    await bring(node, "before")
    await bring(node, "after", STACKS.replace(b"30", b"300"))
    page, complaints = await opened(browser, address(node, "/ui/profiles"))
    await page.get_by_label("compare to before of").check()
    await page.get_by_label("look at after of").check()
    await page.get_by_role("button", name="Compare base and new").click()
    await expect(page.locator("h1")).to_have_text("after@1 compared to before@1")
    await shows_a_flame_graph(page)
    await expect(page.locator("pre")).to_contain_text("fsync")
    assert await violations(page, axe) == []
    await page.goto(address(node, "/ui/profiles/after"))
    await page.get_by_label("Name").fill("later")
    await page.get_by_role("button", name="Rename").click()
    await expect(page.locator("h1")).to_have_text("later")
    await page.get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("dialog")).to_contain_text("Delete later?")
    assert await violations(page, axe) == []
    await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await expect(page).to_have_url(re.compile("/ui/profiles$"))
    await expect(page.locator("tbody tr")).to_have_count(1)
    assert complaints.said == []


async def test_open_lists_are_live_and_leave_the_reader_s_choice_and_place(
    cluster: Cluster, browser: Browser
) -> None:
    page, complaints = await opened(browser, address(cluster.first, "/ui/profiles"))
    await expect(page.get_by_text("None is kept yet")).to_be_visible()
    await bring(cluster.first, "before")
    await expect(page.locator("tbody th")).to_have_text(["before"])
    await page.get_by_label("compare to before of").check()
    await page.get_by_role("link", name="before").focus()
    await bring(cluster.nodes[2], "after")
    await expect(page.locator("tbody th")).to_have_text(["after", "before"])
    await expect(page.locator("form.search")).to_contain_text("2 of 2")
    await expect(page.get_by_label("compare to before of")).to_be_checked()
    await expect(page.get_by_role("link", name="before")).to_be_focused()
    await cluster.first.http.delete("/debug/profiles/before")
    await expect(page.locator("tbody th")).to_have_text(["after"])
    assert complaints.said == []


async def test_the_newest_beside_the_form_are_live_and_the_form_stays(node: Served, browser: Browser) -> None:
    page, complaints = await opened(browser, address(node, "/ui/profile"))
    await page.get_by_label("Name, if you like").fill("half-wri")
    await bring(node, "brought")
    await expect(page.locator(".newest li a")).to_have_text(["brought"])
    await expect(page.get_by_label("Name, if you like")).to_have_value("half-wri")
    assert complaints.said == []


async def test_leadership_goes_only_where_it_can(cluster: Cluster, browser: Browser, axe: str) -> None:
    page, complaints = await opened(browser, address(cluster.nodes[2], "/"))
    await page.get_by_role("button", name="Hand over leadership").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.locator("option")).to_have_text(["node 2"])  # node 1 leads, and node 3 learns
    assert await violations(page, axe) == []
    await page.keyboard.press("Escape")
    await expect(dialog).not_to_be_visible()
    await page.get_by_role("button", name="Hand over leadership").click()
    await dialog.get_by_role("button", name="Hand over").click()
    await expect(dialog.locator("[data-said]")).to_have_text("Done.")
    assert [question.path for node_id, question in cluster.peers.asked if "transfer" in question.path] == [
        "/v1/ctrl/trigger_transfer_leader?to=2"
    ]
    assert complaints.said == []


async def test_a_voter_that_does_not_answer_is_not_offered(cluster: Cluster, browser: Browser) -> None:
    page, _ = await opened(browser, address(cluster.first, "/"))
    cluster.peers.down.add(2)
    await page.get_by_role("button", name="Hand over leadership").click()
    await expect(page.locator("[data-successors] option")).to_have_count(0)
    await expect(page.get_by_role("dialog").get_by_role("button", name="Hand over")).to_be_disabled()


async def test_a_snapshot_by_keys_alone(node: Served, browser: Browser) -> None:
    await node.put("a", b"1")
    page, _ = await opened(browser, address(node, "/"))
    await tabbed_to(page, "[data-confirm=snapshot]")
    await page.keyboard.press("Enter")
    await tabbed_to(page, "dialog [data-act]")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog").locator("[data-said]")).to_have_text(
        "Every node that answers has one."
    )
    assert node.log.status().snapshot is not None


async def test_a_snapshot_that_one_node_does_not_have(cluster: Cluster, browser: Browser) -> None:
    page, _ = await opened(browser, address(cluster.first, "/"))
    cluster.peers.down.add(3)
    await page.get_by_role("button", name="Take a snapshot").click()
    await page.get_by_role("button", name="Take it").click()
    said = page.get_by_role("dialog").locator("[data-said].bad")
    await expect(said).to_have_text("Not on node 3: Node 3 is not reachable.")


async def test_a_profile_by_keys_alone(node: Served, browser: Browser) -> None:
    page, _ = await opened(browser, address(node, "/"))
    await tabbed_to(page, "nav a[href='/ui/profile']")
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_have_text("Take a profile")
    await tabbed_to(page, "#kind-cpu")
    await page.keyboard.press("ArrowDown")
    await tabbed_to(page, "[name=seconds]")
    await page.keyboard.press("Control+A")
    await page.keyboard.type("0.2")
    await page.keyboard.press("Enter")
    await expect(page.locator(".state")).to_have_text("kept", timeout=PATIENCE_MS)
    await expect(page.locator(".soft").first).to_contain_text("wall")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_no_violation_at_400_px(
    cluster: Cluster, browser: Browser, axe: str, scheme: str
) -> None:
    await bring(cluster.first, "n" * 64)
    await bring(cluster.nodes[2], "after")
    await cluster.first.http.post("/debug/profiles?kind=cpu&engine=inprocess&seconds=300&name=long")
    cluster.first.slow.note(slow_request("k" * 64))
    options = {"color_scheme": scheme, "viewport": {"width": 400, "height": 800}}
    page, complaints = await opened(browser, address(cluster.first, "/"), **options)
    for path in (
        "/ui/profile",
        "/ui/profiles",
        f"/ui/profiles/{'n' * 64}",
        "/ui/profiles/long",
        f"/ui/diff?base={'n' * 64}&new=after@2",
        "/ui/hot",
        "/ui/threads",
        "/ui/ranges",
        "/ui/doctor",
        "/ui/slow",
        "/ui/profiles/nothing",
    ):
        await page.goto(address(cluster.first, path))
        assert await violations(page, axe) == [], path
        assert await wider_than_seen(page) <= 0, path
    # The browser itself counts an error page as an error.
    assert [said for said in complaints.said if "404" not in said] == []


async def test_the_root_of_a_tall_picture_is_seen(node: Served, browser: Browser) -> None:
    stack = ";".join(f"depth_{depth}" for depth in range(120))
    id_ = await bring(node, "tall", f"{stack} 9\n".encode())
    page, _ = await opened(
        browser, address(node, f"/ui/profiles/{id_}"), viewport={"width": 400, "height": 800}
    )
    root = page.frame_locator("iframe.picture").locator("svg.flamegraph .labels text").first
    await expect(root).to_be_attached(timeout=PATIENCE_MS)
    frame = page.locator("iframe.picture")
    await frame.scroll_into_view_if_needed()

    async def is_within() -> bool:
        inner, outer = await root.bounding_box(), await frame.bounding_box()
        assert inner is not None
        assert outer is not None
        return outer["y"] <= inner["y"] and inner["y"] + inner["height"] <= outer["y"] + outer["height"]

    async with asyncio.timeout(PATIENCE_MS / 1000):
        while not await is_within():
            await page.evaluate("new Promise(requestAnimationFrame)")


async def test_a_kept_profile_s_name_is_whole_on_a_phone(node: Served, browser: Browser) -> None:
    await bring(node, "before-the-upgrade-of-the-twelfth-and-the-restart")
    page, _ = await opened(browser, address(node, "/ui/profiles"), viewport={"width": 400, "height": 800})
    link, box = page.get_by_role("link", name="before-the-upgrade"), None
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while box is None:  # the list is live, and was made anew in this moment
            box = await link.bounding_box()
    assert box["x"] + box["width"] <= 400
