"""A real browser, driven by Playwright."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

#: For what a page is to show: it comes as soon as it can.
PATIENCE_MS = 30_000

# Chromium's own sandbox needs rights that a container lacks.
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")


def program() -> str:
    """Chromium of this machine; skips the test where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        pytest.skip("Chromium is not on PATH")
    return found


@contextlib.contextmanager
def surroundings() -> Iterator[dict[str, str]]:
    """The environment of a browser, with a directory of its own for what it would leave among others' files.

    Its path is short: sockets are in it.
    """
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as own:
        yield {**os.environ, "TMPDIR": own}


@contextlib.asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """Chromium, until the end of the context; what is expected of a page has time on a busy machine too."""
    found = program()
    expect.set_options(timeout=PATIENCE_MS)
    with surroundings() as environment:
        async with async_playwright() as playwright:
            running = await playwright.chromium.launch(
                executable_path=found, args=list(FLAGS), env={**environment}
            )
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
    page.set_default_timeout(PATIENCE_MS)
    complaints = Complaints(page)
    await page.goto(address)
    return page, complaints
