"""The speedscope application, from npm, once, into a cache outside of the sources."""

import shutil
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.flamegraph.browser import FLAGS, chromium

CACHE = Path(__file__).parents[1] / ".cache" / "speedscope"
VERSION = "1"
_PATIENCE_MS = 20_000  # of the page's own clock, which runs as fast as the page has nothing to do


def application() -> Path:
    """The directory of its page; skips the test where it cannot be had."""
    release = CACHE / "node_modules" / "speedscope" / "dist" / "release"
    if not (release / "index.html").exists():
        npm = shutil.which("npm")
        if not npm:
            pytest.skip("npm is not installed, speedscope cannot be had")
        command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(CACHE), f"speedscope@{VERSION}"]
        run = subprocess.run(command, capture_output=True, text=True, timeout=100)
        if run.returncode:
            pytest.skip(f"npm cannot install speedscope: {run.stderr.strip()[-200:]}")
    return release


def shown(profile: bytes, directory: Path) -> str:
    """The page after it opened the profile, as HTML: its table of functions, hottest first."""
    site = directory / "site"
    shutil.copytree(application(), site)
    (site / "profile.json").write_bytes(profile)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        address = f"http://127.0.0.1:{server.server_port}/index.html#profileURL=/profile.json&view=sandwich"
        command = [
            *(chromium(), *FLAGS, "--enable-unsafe-swiftshader", f"--virtual-time-budget={_PATIENCE_MS}"),
            *("--dump-dom", f"--user-data-dir={directory / 'browser'}", address),
        ]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=90).stdout
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """The tests' output is theirs."""
