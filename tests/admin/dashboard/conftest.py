"""A browser for the pages' tests, and what axe-core finds wrong with a page."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from tests import chromium, npm


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One event loop for a module, as its browser belongs to one."""
    return "asyncio"


@pytest.fixture(scope="module")
async def running() -> AsyncIterator[Browser]:
    """Chromium, started once a module."""
    async with chromium.browser() as browser:
        yield browser


@pytest.fixture
async def browser(running: Browser) -> AsyncIterator[Browser]:
    """It, with nothing open before the test and after it."""
    yield running
    for context in running.contexts:
        await context.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The script of axe-core; skips where it cannot be had."""
    return (npm.package("axe-core", "4") / "axe.min.js").read_text()
