"""``make screenshots``: the dashboard of three nodes under load, as Chromium shows it."""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import httpx

from diag.errors import MetaError, Unavailable
from diag.perf.cluster import Ports, running
from diag.perf.kv_load import KvLoad
from diag.perf.node_process import free_ports

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

#: The name of the profile that is shown.
PROFILE = "evening"
_PROFILE_SECONDS = 8
_PATIENCE_MS = 60_000


class Shot(NamedTuple):
    """A page as a reader of ``scheme`` sees it in a window of that size, once ``until`` is there."""

    file: str
    path: str
    scheme: str
    size: tuple[int, int]
    until: str


SHOTS: Final = (
    Shot("dashboard.png", "/", "light", (1180, 760), ".chart path.line"),
    Shot("profile.png", f"/ui/profiles/{PROFILE}", "dark", (1180, 880), "iframe.picture"),
    Shot("phone.png", "/", "dark", (400, 700), ".chart path.line"),
)


def take(directory: Path, out: Path, seconds: float) -> list[Path]:
    """Files of ``SHOTS`` in ``out``, after a load of ``seconds``. Unavailable without a browser or etcd."""
    ports = [Ports(*free_ports(3)) for _ in range(3)]
    with running(directory / "cluster", ports, "etcd") as nodes:
        admin = nodes[0].admin
        with KvLoad(directory, nodes[0].grpc, in_flight=2):
            time.sleep(seconds / 2)
        with KvLoad(directory, nodes[0].grpc, in_flight=32):
            time.sleep(seconds / 2)
            _profile(admin, PROFILE)
            with _browser(directory) as browser:
                return [_shoot(browser, f"http://{admin}", shot, out) for shot in SHOTS]


def _profile(admin: str, name: str) -> None:
    params: dict[str, str | int] = {"seconds": _PROFILE_SECONDS, "name": name, "engine": "inprocess"}
    with httpx.Client(trust_env=False, timeout=_PROFILE_SECONDS + 60) as client:
        client.get(f"http://{admin}/debug/pprof/profile", params=params).raise_for_status()


@contextmanager
def _browser(directory: Path) -> "Iterator[Browser]":
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise Unavailable("Chromium is not on PATH.")
    from playwright.sync_api import sync_playwright  # not installed where a node runs

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            args=["--no-sandbox", "--disable-gpu"],
            env={**os.environ, "TMPDIR": str(directory)},  # where it leaves things
        )
        try:
            yield browser
        finally:
            browser.close()


def _shoot(browser: "Browser", origin: str, shot: Shot, out: Path) -> Path:
    width, height = shot.size
    dark = shot.scheme == "dark"
    context = browser.new_context(
        color_scheme="dark" if dark else "light", viewport={"width": width, "height": height}
    )
    page = context.new_page()
    page.set_default_timeout(_PATIENCE_MS)
    page.goto(f"{origin}{shot.path}")
    page.locator(shot.until).first.wait_for(state="attached")
    _settle(page)
    file = out / shot.file
    page.screenshot(path=file)
    context.close()
    return file


def _settle(page: "Page") -> None:
    """Until the page is live where it can be, and a picture in it is drawn."""
    if page.locator("[data-live]").count():
        page.get_by_text("Live, twice a second.").wait_for()
    if page.locator("iframe.picture").count():
        page.frame_locator("iframe.picture").locator("svg.flamegraph").wait_for()


def main(argv: Sequence[str] | None = None) -> int:
    """0, or the exit code of what was in the way."""
    parser = argparse.ArgumentParser(prog="python -m diag.perf.screenshots", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(".assets"))
    parser.add_argument("--seconds", type=float, default=240, help="of load before the pictures")
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="shots-") as directory:
            files = take(Path(directory), options.out, options.seconds)
    except MetaError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    for file in files:
        sys.stdout.write(f"{file}: {file.stat().st_size:,} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
