"""The cluster page in a real browser."""

import asyncio

import pytest
from playwright.async_api import Browser, expect

from tests.admin.dashboard.seen import background, tabbed_to, violations, wider_than_seen
from tests.admin.members import Cluster
from tests.admin.served import Served
from tests.chromium import opened
from tests.polling import until_async

pytestmark = [pytest.mark.anyio, pytest.mark.browser, pytest.mark.timeout(180)]


def address(node: Served, path: str = "/") -> str:
    return f"http://127.0.0.1:{node.port}{path}"


async def test_the_page_is_live(cluster: Cluster, browser: Browser) -> None:
    page, complaints = await opened(browser, address(cluster.first))
    headline, keys = page.locator("[data-headline]"), page.locator("[data-node='1'] [data-cell=keys]")
    await expect(headline).to_contain_text("All 3 nodes answer. Node 1 leads in term 1.")
    await expect(page.locator("[data-live]")).to_have_text("Live, twice a second.")
    await cluster.first.put("a", b"1")
    await expect(keys).to_have_text("1")
    cluster.peers.down.add(3)
    await expect(headline).to_contain_text("2 of 3 nodes answer; not 3. Node 1 leads in term 1.")
    await expect(page.locator("[data-notes] li")).to_have_text("Node 3: Node 3 is not reachable.")
    cluster.peers.down.clear()
    await expect(page.locator("[data-notes] li")).to_have_count(0)
    assert complaints.said == []


async def test_a_leader_that_falls_silent_is_still_named(cluster: Cluster, browser: Browser) -> None:
    page, _ = await opened(browser, address(cluster.nodes[2]))
    headline = page.locator("[data-headline]")
    await expect(headline).to_contain_text("All 3 nodes answer. Node 1 leads in term 1.")
    cluster.peers.down.add(1)
    said = "2 of 3 nodes answer; not 1. Node 1 leads, and does not answer."
    await expect(headline).to_have_text(said)
    await page.reload()
    await expect(headline).to_have_text(said)
    await expect(page.locator("[data-transfer]")).to_be_disabled()


async def test_what_was_wrong_when_the_page_came_goes_when_it_is_well(
    cluster: Cluster, browser: Browser
) -> None:
    cluster.peers.down.add(3)
    page, _ = await opened(browser, address(cluster.first))
    await expect(page.locator("[data-notes] li")).to_have_count(1)
    cluster.peers.down.clear()
    await expect(page.locator("[data-notes] li")).to_have_count(0)
    await expect(page.locator("[data-headline].good")).to_be_visible()


async def test_hostile_words_are_text(cluster: Cluster, browser: Browser) -> None:
    page, complaints = await opened(browser, address(cluster.first))
    cluster.peers.lies[2] = b"<img src=x onerror=alert(1)>"
    await expect(page.locator("[data-notes] li")).to_have_count(1)
    assert await page.locator("main img").count() == 0
    assert complaints.said == []


async def test_a_hidden_page_asks_for_nothing(cluster: Cluster, browser: Browser) -> None:
    page, _ = await opened(browser, address(cluster.first))
    await expect(page.locator("[data-live]")).to_have_text("Live, twice a second.")
    hide = """(hidden) => {
      Object.defineProperty(document, "hidden", {get: () => hidden, configurable: true});
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    await page.evaluate(hide, True)
    # Who looks at the nodes for pages is this one task.
    await until_async(lambda: "dashboard" not in {task.get_name() for task in asyncio.all_tasks()}, 20)
    await page.evaluate(hide, False)
    await cluster.first.put("a", b"1")
    await expect(page.locator("[data-node='1'] [data-cell=keys]")).to_have_text("1")


async def test_a_page_that_lost_its_node_says_so(node: Served, browser: Browser) -> None:
    page, _ = await opened(browser, address(node))
    await expect(page.locator("[data-live]")).to_have_text("Live, twice a second.")
    await node.live.close()
    await expect(page.locator("[data-live].lost")).to_contain_text("what is shown is old")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
async def test_axe_finds_no_violation_in_any_light_and_width(
    cluster: Cluster, browser: Browser, axe: str, scheme: str, width: int
) -> None:
    cluster.first.history.look()
    cluster.peers.down.add(3)
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
    page, complaints = await opened(browser, address(cluster.first), **options)
    for path in ("/debug/home", "/"):
        await page.goto(address(cluster.first, path))
        assert await violations(page, axe) == []
        assert await wider_than_seen(page) <= 0
        dark = await background(page) == "rgb(15, 19, 24)"
        assert dark == (scheme == "dark")
    for other in (700, 1000, 1153, 1200) if width > 400 else ():
        await page.set_viewport_size({"width": other, "height": 800})
        assert await wider_than_seen(page) <= 0, other
    assert complaints.said == []


async def test_keys_alone_lead_to_another_node_s_charts(cluster: Cluster, browser: Browser) -> None:
    page, _ = await opened(browser, address(cluster.first))
    await page.keyboard.press("Tab")
    await expect(page.locator(".skip")).to_be_focused()
    await tabbed_to(page, "[data-node='2'] a")
    await page.keyboard.press("Enter")
    await expect(page.locator("h2#charts")).to_have_text("Charts of node 2")


async def test_without_a_script_the_page_is_whole(cluster: Cluster, browser: Browser) -> None:
    page, _ = await opened(browser, address(cluster.first), java_script_enabled=False)
    await expect(page.locator("[data-node]")).to_have_count(3)
    await expect(page.locator(".chart")).to_have_count(6)
    await expect(page.get_by_role("button")).to_have_count(0)
    await page.get_by_role("link", name="node 2", exact=True).click()
    await expect(page.locator("h2#charts")).to_have_text("Charts of node 2")
