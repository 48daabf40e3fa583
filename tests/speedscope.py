"""The speedscope application, in a real browser."""

import shutil
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests import npm
from tests.chromium import surroundings
from tests.flamegraph.browser import FLAGS, chromium

VERSION = "1"
_PATIENCE_MS = 20_000  # of the page's own clock, which runs as fast as the page has nothing to do


def shown(profile: bytes, directory: Path) -> str:
    """The page after it opened the profile, as HTML: its table of functions, hottest first."""
    site = directory / "site"
    shutil.copytree(npm.package("speedscope", VERSION) / "dist" / "release", site)
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
        with surroundings() as environment:
            return subprocess.run(
                command, check=True, capture_output=True, text=True, timeout=90, env=environment
            ).stdout
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """The tests' output is theirs."""
