"""A real browser on a picture: a driver script follows the viewer, its findings are read from the DOM."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1200,900",
    "--virtual-time-budget=5000",
)
_RESULT = re.compile(r'data-result="([^"]*)"')

# What a reader can do and see, for the steps of a test.
HELPERS = """
const svg = document.querySelector("svg.flamegraph");
const rows = () => Array.from(svg.querySelectorAll("g.row"));
const rects = () => Array.from(svg.querySelectorAll("g.row rect"));
const box = (r) => ({x: +r.getAttribute("x"), width: +r.getAttribute("width")});
const labels = () => Array.from(svg.querySelectorAll("g.row text")).filter(
  (t) => !t.classList.contains("off"));
const frame = (name) => { for (const g of rows()) for (const t of g.querySelectorAll("text"))
  if (t.textContent === name) return Array.from(g.querySelectorAll("rect")).find(
    (r) => Math.abs(+r.getAttribute("x") + 3 - t.getAttribute("x")) < 0.05); };
const click = (r) => r.dispatchEvent(new MouseEvent("click", {bubbles: true}));
const hover = (r) => r.dispatchEvent(new PointerEvent("pointerover", {bubbles: true}));
const key = (k, on) => (on || svg).dispatchEvent(new KeyboardEvent("keydown", {key: k, bubbles: true}));
const input = svg.querySelector("input");
const search = (s) => { input.value = s; input.dispatchEvent(new Event("input", {bubbles: true})); };
const say = () => svg.querySelector(".status").textContent;
const matched = () => svg.querySelector(".matched").textContent;
const names = () => labels().map((t) => t.textContent);
"""


def drive(svg: str, steps: str, directory: Path) -> Any:
    """Runs JavaScript `steps`, the body of a function, in the picture; returns what it returns, as JSON.

    Skips the test where there is no Chromium.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        pytest.skip("Chromium is not on PATH")
    driver = (
        f"<script><![CDATA[const result = (function () {{ {HELPERS} {steps} }})();"
        'document.documentElement.setAttribute("data-result", JSON.stringify(result));]]></script></svg>'
    )
    page = directory / "page.svg"
    page.write_text(svg.rstrip().removesuffix("</svg>") + driver, encoding="utf-8")
    command = [chromium, *FLAGS, f"--user-data-dir={directory / 'profile'}", "--dump-dom", page.as_uri()]
    run = subprocess.run(command, capture_output=True, timeout=90, check=True)
    found = _RESULT.search(run.stdout.decode())
    assert found, "the driver did not finish: " + run.stdout.decode()[-2000:]
    return json.loads(html.unescape(found[1]))
