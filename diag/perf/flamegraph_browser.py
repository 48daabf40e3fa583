"""How long a picture takes in a real browser: to load, to zoom and to search, until it is painted again."""

import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from statistics import median
from typing import NamedTuple

from diag.errors import Unavailable

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--window-size=1300,1000",
)
_SECONDS = 300

#: Both kinds are driven as a reader would: a click on a frame, a word searched for. The frame is the widest
#: that takes less than 85 % of the picture.
_PAGE = """<!DOCTYPE html><html><body><iframe width="1280" height="950"></iframe><script>
const iframe = document.querySelector("iframe");
const painted = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
async function timed(act) {
  await painted();
  const start = performance.now();
  await act();
  iframe.contentDocument.documentElement.getBoundingClientRect();
  await painted();
  return performance.now() - start;
}
const load = (url) => timed(() => new Promise((done) => { iframe.onload = done; iframe.src = url; }));
const inside = () => iframe.contentDocument, view = () => iframe.contentWindow;
const kinds = {
  ours: {
    zoom() {
      const placed = (path) => Array.from(
        (path.getAttribute("d") || "").matchAll(/M(\\d+) (\\d+)h(\\d+)/g)).map((m) => m.slice(1).map(Number));
      const frames = Array.from(inside().querySelectorAll(".frames path")).flatMap(placed);
      const whole = Math.max(...frames.map((f) => f[2]));
      const narrower = frames.filter((f) => f[2] < .85 * whole);
      const best = narrower.reduce((a, b) => b[2] > a[2] ? b : a);
      const graph = inside().querySelector(".graph"), matrix = graph.getScreenCTM();
      return () => graph.dispatchEvent(new (view().MouseEvent)("click", {bubbles: true,
        clientX: matrix.e + (best[0] + best[2] / 2) / 10, clientY: matrix.f + best[1] * 16 + 8}));
    },
    reset() { inside().querySelector(".tools button:last-child").click(); },
    search(word) {
      const box = inside().querySelector("input");
      box.value = word;
      box.dispatchEvent(new (view().Event)("input", {bubbles: true}));
    },
  },
  theirs: {
    zoom() {
      const rects = Array.from(inside().querySelectorAll("#frames rect"));
      const width = (r) => Number(r.getAttribute("width"));
      const whole = Math.max(...rects.map(width));
      const best = rects.filter((r) => width(r) < .85 * whole).reduce((a, b) => width(b) > width(a) ? b : a);
      return () => view().zoom(best.parentNode);
    },
    reset() { view().unzoom(); },
    search(word) { view().search(word); },
  },
};
(async function () {
  const found = {};
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const kind of KINDS) {
        const times = found[kind] = found[kind] || {load: [], zoom: [], search: []};
        times.load.push(await load("/" + kind + ".svg?" + round));
        times.elements = inside().querySelectorAll("*").length;
        times.search.push(await timed(() => kinds[kind].search("load_")));
        await load("/" + kind + ".svg?again" + round);
        times.zoom.push(await timed(kinds[kind].zoom()));
      }
    }
  } catch (error) {
    found.error = String(error && error.stack || error);
  }
  navigator.sendBeacon("/result", JSON.stringify(found));
})();
</script></body></html>"""


class Times(NamedTuple):
    """Milliseconds, medians of the rounds, and the elements of the document."""

    load: float
    zoom: float
    search: float
    elements: int


def browser() -> str | None:
    """Chromium, if it is on PATH."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def measure(pictures: Mapping[str, bytes], directory: Path, rounds: int = 3) -> dict[str, Times]:
    """Times of the pictures ``ours`` and ``theirs`` in turns. Unavailable without a browser."""
    chromium = browser()
    if chromium is None:
        raise Unavailable("Chromium is not on PATH.")
    page = _PAGE.replace("ROUNDS", str(rounds)).replace("KINDS", json.dumps(list(pictures)))
    files = {f"/{kind}.svg": ("image/svg+xml", svg) for kind, svg in pictures.items()}
    files["/"] = ("text/html", page.encode())
    found = _visited(chromium, files, directory)
    if "error" in found:
        raise Unavailable(f"A picture could not be driven: {found['error']}")
    return {
        kind: Times(median(times["load"]), median(times["zoom"]), median(times["search"]), times["elements"])
        for kind, times in found.items()
    }


def _visited(chromium: str, files: Mapping[str, tuple[str, bytes]], directory: Path) -> dict[str, dict]:  # type: ignore[type-arg]
    """What the page at `/` reports."""
    results: Queue[bytes] = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, body = files.get(self.path.partition("?")[0], ("text/plain", b""))
            self.send_response(200)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            results.put(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing: the figures are the output."""

    with (
        ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server,
        # What the browser leaves goes with it. Its socket there has a path of 107 characters at most.
        tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as left,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}/"
        command = [chromium, *_FLAGS, f"--user-data-dir={directory / 'browser'}", address]
        environment = {**os.environ, "TMPDIR": left}
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
        ) as process:
            try:
                found = json.loads(results.get(timeout=_SECONDS))
            except Empty:
                raise Unavailable(f"The browser gave no result within {_SECONDS} s.") from None
            finally:
                process.terminate()
                server.shutdown()
    assert isinstance(found, dict)
    return found
