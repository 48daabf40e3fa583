"""Logging in and out in a real browser, and what each role is offered."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.admin.dashboard.seen import violations, wider_than_seen
from tests.admin.keyed import TOKENS, keyed, tokens_file
from tests.admin.served import Served
from tests.chromium import opened

pytestmark = [pytest.mark.anyio, pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture
async def closed(tmp_path: Path) -> AsyncIterator[Served]:
    async with keyed(tmp_path) as served:
        yield served


async def log_in(page: Page, token: str) -> None:
    await page.get_by_label("Token").fill(token)
    await page.get_by_role("button", name="Log in").click()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_in_by_keys_and_out_again(closed: Served, browser: Browser, axe: str, scheme: str) -> None:
    address = f"http://127.0.0.1:{closed.port}/ui/profiles"
    options = {"color_scheme": scheme, "viewport": {"width": 400, "height": 800}}
    page, complaints = await opened(browser, address, **options)
    await expect(page.get_by_label("Token")).to_be_focused()
    assert await violations(page, axe) == []
    assert await wider_than_seen(page) <= 0
    await page.keyboard.type("mdt_<b>wrong</b>")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("not one of this node's tokens")
    assert await violations(page, axe) == []
    await log_in(page, TOKENS["read"])
    await expect(page.locator("h1")).to_have_text("Kept profiles")
    await expect(page.locator(".who")).to_contain_text("reader, read")
    assert await violations(page, axe) == []
    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_label("Token")).to_be_visible()
    await page.goto(address)
    await expect(page.get_by_label("Token")).to_be_visible()
    assert [said for said in complaints.said if "401" not in said] == []


async def test_a_session_may_what_its_role_may(closed: Served, browser: Browser) -> None:
    await closed.put("a", b"1")
    page, complaints = await opened(browser, f"http://127.0.0.1:{closed.port}/")
    await log_in(page, TOKENS["admin"])
    await page.get_by_role("button", name="Take a snapshot").click()
    await page.get_by_role("button", name="Take it").click()
    await expect(page.get_by_role("dialog").locator("[data-said]")).to_contain_text("has one")
    await page.goto(f"http://127.0.0.1:{closed.port}/ui/profile")
    await page.get_by_label("Wall clock").check()
    await page.get_by_label("Seconds").fill("0.2")
    await page.get_by_role("button", name="Start").click()
    await expect(page.locator(".state")).to_have_text("kept", timeout=30_000)
    await expect(page.frame_locator("iframe.picture").locator("svg.flamegraph")).to_be_attached()
    assert complaints.said == []


async def test_a_page_whose_token_is_taken_away_asks_for_another(
    closed: Served, browser: Browser, tmp_path: Path
) -> None:
    page, _ = await opened(browser, f"http://127.0.0.1:{closed.port}/")
    await log_in(page, TOKENS["read"])
    await expect(page.locator("[data-live]")).to_have_text("Live, twice a second.")
    await expect(page.get_by_role("button", name="Take a snapshot")).to_have_count(0)
    tokens_file(tmp_path, {"admin": TOKENS["admin"]})
    await closed.live.close()
    await expect(page.get_by_label("Token")).to_be_visible(timeout=30_000)
