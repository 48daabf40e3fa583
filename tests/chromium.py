"""A real browser, driven by Playwright."""

import contextlib
import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

# Chromium's own sandbox needs rights that a container lacks.
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")


def program() -> str:
    """Chromium of this machine; skips the test where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        pytest.skip("Chromium is not on PATH")
    return found


@contextlib.asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """Chromium, until the end of the context."""
    found = program()
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        try:
            yield running
        finally:
            await running.close()


class Complaints:
    """What a page's console says of errors: a script that failed, or something that its policy refused."""

    def __init__(self, page: Page) -> None:
        self.said: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.said.append(str(error)))

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.said.append(message.text)


async def opened(running: Browser, address: str, **options: Any) -> tuple[Page, Complaints]:
    """The page at ``address`` in a context of its own with these options; every load is waited for."""
    page = await (await running.new_context(**options)).new_page()
    page.set_default_timeout(30_000)
    complaints = Complaints(page)
    await page.goto(address)
    return page, complaints
