"""Pictures where they are shown: under a content security policy, in a page of ours, in a page of others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flamegraph import Profile
from flamegraph.csp import csp_hashes
from flamegraph.html import render_html
from flamegraph.palettes import LIGHT
from flamegraph.svg import render
from tests.flamegraph import browser
from tests.flamegraph.browser import drive
from tests.flamegraph.test_viewer import EVERY, STACKS, rgb

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def svg() -> str:
    return render(Profile.from_stacks(STACKS))


def policy(**more: str) -> dict[str, str]:
    hashes = csp_hashes()
    directives = {
        "default-src": "'none'",
        "connect-src": "'self'",
        # The driver's file beside the hash of the viewer; nothing inline but what is named.
        "script-src": " ".join([*hashes["script-src"], more.get("script", "")]),
        "style-src": " ".join(hashes["style-src"]),
    }
    return {"Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in directives.items())}


def served(document: str, steps: str, directory: Path, **options: Any) -> Any:
    """Under a policy that allows the published hashes and the driver, whose own hash is added."""
    return drive(document, steps, directory, headers=policy(script=browser.SELF), **options)


def test_the_picture_works_under_a_policy_of_hashes(svg: str, tmp_path: Path) -> None:
    steps = """
    const refused = [];
    addEventListener("securitypolicyviolation", (event) => refused.push(event.violatedDirective));
    click(frame("draw"));
    const inline = document.createElementNS("http://www.w3.org/2000/svg", "script");
    inline.textContent = "window.ran = true";
    svg.append(inline);
    await settled();
    const styled = color(svg.querySelector(".title"), "fontWeight");
    return {names: names(), styled, ran: window.ran === true, refused};
    """
    assert served(svg, steps, tmp_path) == {
        "names": ["all", "main", "draw", "parse"],
        "styled": "600",
        "ran": False,
        "refused": ["script-src-elem"],
    }


def test_without_script_and_style_the_picture_still_stands(svg: str, tmp_path: Path) -> None:
    headers = {
        "Content-Security-Policy": f"default-src 'none'; connect-src 'self'; script-src {browser.SELF}"
    }
    steps = """
    return {names: labels().length, live: svg.classList.contains("live"),
      styled: color(svg.querySelector(".title"), "fontWeight"),
      fill: color(svg.querySelector(".bg")), frame: color(svg.querySelector(".frames g"), "stroke"),
      title: svg.querySelector(".frames title").textContent};
    """
    found = drive(svg, steps, tmp_path, headers=headers)
    assert found["names"] == len(EVERY)
    assert found["live"] is False
    assert found["styled"] == "400"
    assert found["fill"] == rgb(LIGHT.background)
    assert found["frame"].startswith("rgb(")
    assert found["title"]


def test_a_page_sorts_its_table_and_finds_names_in_the_picture(tmp_path: Path) -> None:
    page = render_html(Profile.from_stacks([*STACKS, (("a.b (c)",), 7)]))
    steps = """
    const rows = () => Array.from(document.querySelectorAll("tbody tr"));
    const column = (i) => rows().map((r) => r.cells[i].textContent);
    const heads = Array.from(document.querySelectorAll("thead button"));
    const before = column(0);
    heads[0].click();
    const byName = [column(0), heads[0].parentNode.getAttribute("aria-sort")];
    heads[3].click();
    const byTotal = [column(3), heads[3].parentNode.getAttribute("aria-sort")];
    heads[3].click();
    const upwards = column(3)[0];
    Array.from(document.querySelectorAll("tbody button")).find((b) => b.textContent === "a.b (c)").click();
    return {before, byName, byTotal, upwards, found: [input.value, matched(), hits()],
      width: svg.width.baseVal.value <= document.documentElement.clientWidth};
    """
    found = drive(
        page.replace("script-src ", f"connect-src 'self'; script-src {browser.SELF} "), steps, tmp_path
    )
    assert found["before"][0] == "lex"
    assert found["byName"] == [sorted(found["before"]), "ascending"]
    assert found["byTotal"][0][0] == "80 samples"
    assert found["byTotal"][1] == "descending"
    assert found["upwards"] == "7 samples"
    assert found["found"] == [r"^a\.b \(c\)$", "Matched: 6.54%", 1]
    assert found["width"]


def test_pictures_in_one_page_do_not_disturb_each_other(svg: str, tmp_path: Path) -> None:
    other = render(Profile.from_stacks([(("one", "two"), 1)]))
    page = f"<!DOCTYPE html><html><body>{svg}{other}</body></html>"
    steps = """
    const second = document.querySelectorAll("svg.flamegraph")[1];
    const box = second.querySelector(".graph").getBoundingClientRect();
    second.querySelector(".graph").dispatchEvent(
      new MouseEvent("click", {bubbles: true, clientX: box.left + 50, clientY: box.top + 5}));
    return {first: names().length, hash: location.hash, status: second.querySelector(".status").textContent};
    """
    found = drive(page, steps, tmp_path)
    assert found["first"] == len(EVERY)
    assert found["hash"] == ""
    assert found["status"].startswith("two (")
