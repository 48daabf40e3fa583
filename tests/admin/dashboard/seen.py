"""What tests look for on a page."""

from typing import Any

from playwright.async_api import Page


async def violations(page: Page, axe: str) -> list[str]:
    """What axe-core finds wrong. The script is run past the page's policy, which lets no page load it."""
    await page.evaluate(axe)
    found: list[dict[str, Any]] = await page.evaluate(
        "axe.run(document, {resultTypes: ['violations'], iframes: false}).then((found) => found.violations)"
    )
    return [f"{one['id']}: {' | '.join(node['html'][:160] for node in one['nodes'])}" for one in found]


async def wider_than_seen(page: Page) -> int:
    """By how many pixels the page must be scrolled sideways."""
    return int(await page.evaluate("document.documentElement.scrollWidth - innerWidth"))


async def background(page: Page) -> str:
    return str(await page.evaluate("getComputedStyle(document.body).backgroundColor"))


async def tabbed_to(page: Page, selector: str, most: int = 100) -> None:
    """Press Tab until an element of ``selector`` has the focus."""
    for _ in range(most):
        await page.keyboard.press("Tab")
        if await page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"no Tab leads to {selector}")
