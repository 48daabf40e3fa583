"""What axe-core finds wrong: nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flamegraph import Profile
from flamegraph.html import render_html
from flamegraph.svg import render
from tests import npm
from tests.flamegraph import browser
from tests.flamegraph.browser import drive
from tests.flamegraph.comparisons import small
from tests.flamegraph.test_viewer import STACKS

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

VERSION = "4"
AUDIT = """
await new Promise((done, failed) => {
  const script = document.createElementNS("http://www.w3.org/1999/xhtml", "script");
  script.src = "/axe.js"; script.onload = done; script.onerror = failed;
  (document.head || document.documentElement).append(script);
});
const audit = async () => {
  const found = await axe.run(document, {resultTypes: ["violations"]});
  return found.violations.map((v) => v.id + ": " + v.nodes.map((n) => n.html.slice(0, 200)).join(" | "));
};
"""


@pytest.fixture(scope="module")
def axe() -> bytes:
    """The script of axe-core; skips where it cannot be had."""
    return (npm.package("axe-core", VERSION) / "axe.min.js").read_bytes()


def audit(document: str, axe: bytes, directory: Path, steps: str, *flags: str) -> Any:
    open_to_us = document.replace("script-src ", f"connect-src 'self'; script-src {browser.SELF} ", 1)
    return drive(open_to_us, AUDIT + steps, directory, *flags, libraries={"axe.js": axe})


def in_a_page(svg: str) -> str:
    head, body = "<head><title>A page</title></head>", f"<body><main><h1>A page</h1>{svg}</main></body>"
    return f'<!DOCTYPE html><html lang="en">{head}{body}</html>'


def documents() -> dict[str, str]:
    profile = Profile.from_stacks(STACKS)
    return {
        "picture": in_a_page(render(profile)),
        "picture without script": in_a_page(render(profile, script="none")),
        "comparison": in_a_page(render(small(), widths="new")),
        "page": render_html(profile, title="A profile", subtitle="of a program", notes=["A note."]),
        "page of a comparison": render_html(small()),
        "page of nothing": render_html(Profile.from_stacks([])),
    }


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", documents())
def test_axe_finds_no_violation(name: str, theme: str, axe: bytes, tmp_path: Path) -> None:
    steps = """
    const before = await audit();
    if (!input) return before;
    key("ArrowUp");
    search("e");
    return before.concat(await audit());
    """
    flags = (browser.DARK,) if theme == "dark" else ()
    assert audit(documents()[name], axe, tmp_path, steps, *flags) == []


def test_an_audit_that_must_find_something_does(axe: bytes, tmp_path: Path) -> None:
    page = in_a_page(render(Profile.from_stacks(STACKS)))
    steps = (
        'for (const name of ["aria-label", "placeholder"]) input.removeAttribute(name); return await audit();'
    )
    found = audit(page, axe, tmp_path, steps)
    assert [violation for violation in found if violation.startswith("label:")]


def test_roles_and_names_for_assistive_technology(tmp_path: Path) -> None:
    steps = """
    const status = svg.querySelector(".status");
    return [svg.getAttribute("role"), graph.getAttribute("role"), graph.getAttribute("tabindex"),
      graph.getAttribute("aria-label").startsWith("Frames. Arrow keys move"),
      input.getAttribute("aria-label"),
      status.getAttribute("role"), status.getAttribute("aria-live")];
    """
    assert drive(render(Profile.from_stacks(STACKS)), steps, tmp_path) == [
        "group",
        "application",
        "0",
        True,
        "Search frames by regular expression",
        "status",
        "polite",
    ]


def test_keys_reach_every_control(tmp_path: Path) -> None:
    steps = """
    const stops = Array.from(svg.querySelectorAll("input,button,[tabindex]"));
    graph.focus();
    return [stops.map((e) => e.localName), document.activeElement === graph];
    """
    found = drive(render(small()), steps, tmp_path)
    assert found == [["input", "button", "button", "g"], True]
