"""Pages of the dashboard in a real browser, and the moments at which they showed what."""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from diag.errors import Unavailable
from diag.perf import flamegraph_browser

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

_FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
)
_PATIENCE: Final = 60.0

#: Tells the text of what a selector finds, a line each, whenever it has changed, with the moment at which it
#: was painted.
_WATCHED: Final = """(() => {
  let last = null;
  const line = (one) => one.textContent.replace(/\\s+/g, " ").trim();
  const text = () => Array.from(document.querySelectorAll(SELECTOR), line).join("\\n");
  const look = () => {
    const now = text();
    if (now === last) return;
    last = now;
    requestAnimationFrame(() => requestAnimationFrame(() =>
      window.told(now, (performance.timeOrigin + performance.now()) / 1000)));
  };
  new MutationObserver(look).observe(document, {subtree: true, childList: true, characterData: true,
    attributes: true});
  addEventListener("DOMContentLoaded", look);
})()"""

#: Milliseconds of a page's own clock: rows of its table, first content, first byte, last byte.
_PAINT: Final = """() => new Promise((done) => {
  const told = (entries) => {
    const paint = entries.find((entry) => entry.name === "first-contentful-paint");
    const head = performance.getEntriesByType("navigation")[0];
    if (paint) done([window.rows, paint.startTime, head.responseStart, head.responseEnd]);
  };
  new PerformanceObserver((list) => told(list.getEntries())).observe({type: "paint", buffered: true});
})"""
_ROWS: Final = """(() => {
  const look = () => {
    if (window.rows || !document.querySelector("[data-node]")) return;
    window.rows = -1;
    requestAnimationFrame(() => requestAnimationFrame(() => { window.rows = performance.now(); }));
  };
  new MutationObserver(look).observe(document, {subtree: true, childList: true});
})()"""


class Paint(NamedTuple):
    """Milliseconds after it was asked for: nodes, first content, and the page's first byte and last."""

    nodes: float
    content: float
    first_byte: float
    last_byte: float


@asynccontextmanager
async def browser() -> AsyncIterator["Browser"]:
    """Chromium, until the end of the context. Unavailable where there is none."""
    program = flamegraph_browser.browser()
    if program is None:
        raise Unavailable("Chromium is not on PATH.")
    from playwright.async_api import async_playwright  # not installed where a node runs

    # What it leaves goes with it. Its socket there has a path of 107 characters at most.
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as left:
        async with async_playwright() as playwright:
            running = await playwright.chromium.launch(
                executable_path=program, args=list(_FLAGS), env={**os.environ, "TMPDIR": left}
            )
            try:
                yield running
            finally:
                await running.close()


async def first_paint(running: "Browser", address: str) -> Paint:
    """Of the cluster's page in a window that nothing is kept for."""
    async with _window(running) as page:
        await page.add_init_script(_ROWS)
        await page.goto(address)
        await page.wait_for_function("window.rows > 0")
        return Paint(*await page.evaluate(_PAINT))


async def first_content(running: "Browser", address: str) -> float:
    """Milliseconds to the first content of any page: of one without much, what the browser itself takes."""
    async with _window(running) as page:
        await page.goto(address)
        _, content, *_ = await page.evaluate(_PAINT)
        return float(content)


class Watched:
    """A page that is open, and what a part of it showed at which moment, in seconds since 1970."""

    def __init__(self) -> None:
        self._seen: list[tuple[float, str]] = []
        self._more = asyncio.Event()

    async def shows(self, wanted: Callable[[str], bool], what: str, since: float = 0.0) -> float:
        """When, ``since`` a moment, a ``wanted`` text was painted first; Unavailable when not in time."""
        deadline = time.monotonic() + _PATIENCE
        while (at := next((at for at, text in self._seen if at >= since and wanted(text)), None)) is None:
            self._more.clear()
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    await self._more.wait()
            except TimeoutError:
                last = self._seen[-1][1] if self._seen else "nothing"
                raise Unavailable(
                    f"{what} is not on the page within {_PATIENCE:g} s; it shows {last!r}."
                ) from None
        return at

    def _told(self, text: str, at: float) -> None:
        self._seen.append((at, text))
        self._more.set()


@asynccontextmanager
async def watched(running: "Browser", address: str, selector: str) -> AsyncIterator[Watched]:
    """The page at ``address`` in a window of its own; ``selector`` finds the part that is looked at.

    The page may load itself again, or go to another.
    """
    async with _window(running) as page:
        told = Watched()
        await page.expose_function("told", told._told)
        await page.add_init_script(_WATCHED.replace("SELECTOR", repr(selector)))
        await page.goto(address)
        yield told


@asynccontextmanager
async def _window(running: "Browser") -> AsyncIterator["Page"]:
    context = await running.new_context()
    try:
        yield await context.new_page()
    finally:
        await context.close()
