"""A bundle by a click: made, fetched and opened; and one that is ended."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.admin.dashboard.seen import violations
from tests.admin.dashboard.test_in_a_browser import PATIENCE_MS, address
from tests.admin.served import Served
from tests.bundle.opened import opened as bundle_of
from tests.chromium import opened

pytestmark = [pytest.mark.anyio, pytest.mark.browser, pytest.mark.timeout(180)]


async def test_a_bundle_by_clicking(node: Served, browser: Browser, axe: str, tmp_path: Path) -> None:
    page, complaints = await opened(browser, address(node, "/ui/doctor"))
    await page.get_by_label("Seconds").fill("1")
    await page.get_by_label("with CPU and memory profiles").uncheck()
    await page.get_by_role("button", name="Make a bundle").click()
    link = page.get_by_role("link", name="The bundle")
    await expect(link).to_be_visible(timeout=PATIENCE_MS)
    async with page.expect_download() as begun:
        await link.click()
    fetched = await begun.value
    assert fetched.suggested_filename.startswith("metadiag-bundle-")
    await fetched.save_as(tmp_path / "bundle.tar.gz")
    told = bundle_of((tmp_path / "bundle.tar.gz").read_bytes())
    assert "doctor-end.txt" in told.files
    assert await violations(page, axe) == []
    await page.reload()
    await expect(page.get_by_role("link", name="The bundle")).to_be_visible()
    assert complaints.said == []


async def test_one_is_ended(node: Served, browser: Browser) -> None:
    page, complaints = await opened(browser, address(node, "/ui/doctor"))
    await page.get_by_label("Seconds").fill("600")
    await page.get_by_role("button", name="Make a bundle").click()
    await expect(page.get_by_role("progressbar")).to_be_visible()
    await page.get_by_role("button", name="End it").click()
    await expect(page.get_by_role("button", name="Make a bundle")).to_be_enabled(timeout=PATIENCE_MS)
    await expect(page.get_by_role("progressbar")).to_be_hidden()
    assert (await node.http.get("/debug/bundle")).json() == []
    assert complaints.said == []
