"""A real browser on a picture: a driver script follows the viewer, its findings come back as JSON."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest

from tests.chromium import surroundings

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
DARK = "--blink-settings=preferredColorScheme=0"
#: The source of the driver's script, for a content security policy that refuses everything else.
SELF = "'self'"
_SECONDS = 60

# What a reader can do and see, for the steps of a test.
HELPERS = """
const svg = document.querySelector("svg.flamegraph");
const graph = svg.querySelector(".graph");
const strokes = () => Array.from(svg.querySelectorAll(".frames path")).flatMap((p) =>
  Array.from((p.getAttribute("d") || "").matchAll(/M(\\d+) (\\d+)h(\\d+)/g)).map((m) =>
    ({x: m[1] / 10, line: +m[2], width: m[3] / 10,
      kind: p.getAttribute("class") || p.parentNode.getAttribute("class")})));
const labels = () => Array.from(svg.querySelectorAll(".labels text"));
const names = () => labels().map((t) => t.textContent);
const holder = (t) => strokes().find((s) => s.line === (t.getAttribute("y") - 11) / 16
  && Math.abs(s.x + 3 - t.getAttribute("x")) < 0.11);
const frame = (name, nth) => holder(labels().filter((t) => t.textContent === name)[nth || 0]);
const point = (kind, s, type) => {
  const at = new DOMPoint(s.x + s.width / 2, s.line * 16 + 8).matrixTransform(graph.getScreenCTM());
  graph.dispatchEvent(new type(kind, {bubbles: true, clientX: at.x, clientY: at.y}));
};
const click = (s) => point("click", s, MouseEvent);
const hover = (s) => point("pointermove", s, PointerEvent);
const key = (k, on) => (on || svg).dispatchEvent(
  new KeyboardEvent("keydown", {key: k, bubbles: true, cancelable: true}));
const input = svg.querySelector("input");
const search = (s) => { input.value = s; input.dispatchEvent(new Event("input", {bubbles: true})); };
const say = () => svg.querySelector(".status").textContent;
const matched = () => svg.querySelector(".matched").textContent;
const tip = () => Array.from(svg.querySelectorAll(".tip text")).map((t) => t.textContent);
const hits = () => strokes().filter((s) => s.kind === "m").length;
const color = (e, what) => getComputedStyle(e)[what || "fill"];
const settled = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
"""


def chromium() -> str:
    """The browser; skips the test where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        pytest.skip("Chromium is not on PATH")
    return found


def drive(
    document: str,
    steps: str,
    directory: Path,
    *flags: str,
    headers: Mapping[str, str] | None = None,
    libraries: Mapping[str, bytes] | None = None,
    address: str = "",
) -> Any:
    """Shows an SVG or an HTML page and runs JavaScript `steps`, the body of an async function, in it; returns
    what that returns.

    `headers` are those the document is served with. `libraries` are scripts that steps may load, by name.
    `address` is what follows the document's path: a query or a fragment.
    """
    kind = "html" if document.startswith("<!DOCTYPE") else "svg"
    files: dict[str, tuple[str, bytes]] = {
        f"/page.{kind}": ("text/html" if kind == "html" else "image/svg+xml", _driven(document, kind)),
        "/driver.js": ("text/javascript", _driver(steps)),
    }
    files |= {f"/{name}": ("text/javascript", script) for name, script in (libraries or {}).items()}
    with _served(files, headers or {}) as (origin, results):
        command = [chromium(), *FLAGS, *flags, f"--user-data-dir={directory / 'browser'}"]
        if not any(flag.startswith("--window-size") for flag in flags):
            command.append("--window-size=1200,900")
        with (
            surroundings() as environment,
            subprocess.Popen(
                [*command, f"{origin}/page.{kind}{address}"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
            ) as process,
        ):
            try:
                found = results.get(timeout=_SECONDS)
            except Empty:
                pytest.fail("the browser gave no result")
            finally:
                process.terminate()
    assert "error" not in found, found["error"]
    return found["value"]


def _driven(document: str, kind: str) -> bytes:
    """The document with the driver as its last element; the driver's own address may be allowed to run."""
    if kind == "html":
        return document.replace("</body>", '<script src="/driver.js"></script></body>').encode()
    return (document.rstrip().removesuffix("</svg>") + '<script href="/driver.js"/></svg>').encode()


def _driver(steps: str) -> bytes:
    return f"""
(async function () {{
  let result;
  try {{
    {HELPERS}
    result = {{value: await (async function () {{ {steps} }})()}};
  }} catch (error) {{
    result = {{error: String(error && error.stack || error)}};
  }}
  navigator.sendBeacon("/result", JSON.stringify(result === undefined ? null : result));
}})();
""".encode()


@contextmanager
def _served(
    files: Mapping[str, tuple[str, bytes]], headers: Mapping[str, str]
) -> Iterator[tuple[str, Queue[dict[str, Any]]]]:
    results: Queue[dict[str, Any]] = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, body = files.get(self.path.partition("?")[0], ("text/plain", b""))
            self.send_response(200 if kind != "text/plain" else 404)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()
            results.put(json.loads(body))

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", results
        finally:
            server.shutdown()
            thread.join()
