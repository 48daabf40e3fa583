"""The dashboard of a real cluster: leadership goes where a click sends it, a frozen node is told in time."""

import os
import signal
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests import chromium
from tests.e2e.cluster import Cluster, cluster_of, get
from tests.polling import until

pytestmark = [pytest.mark.long, pytest.mark.browser, pytest.mark.timeout(240)]


def leader_told_by(cluster: Cluster, node_id: int) -> str | None:
    leader = get(cluster.nodes[node_id], "/v1/cluster/status").json()["leader"]
    return None if leader is None else str(leader["name"])


def hand_over(page: Page, address: str) -> str:
    """By clicking; the node that was chosen."""
    page.goto(address)
    page.get_by_role("button", name="Hand over leadership").click()
    dialog = page.get_by_role("dialog")
    offered = dialog.locator("option")
    expect(offered).to_have_count(2)
    chosen = str(dialog.locator("select").input_value())
    dialog.get_by_role("button", name="Hand over").click()
    expect(dialog.locator("[data-said]")).to_have_text("Done.", timeout=30_000)
    expect(page.locator(f"[data-node='{chosen}'] [data-leads]")).to_be_visible(timeout=30_000)
    return chosen


def test_leadership_goes_where_it_is_sent_and_a_frozen_node_is_told(tmp_path: Path, scratch: Path) -> None:
    with (
        cluster_of(tmp_path, scratch) as cluster,
        chromium.surroundings() as environment,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path=chromium.program(), args=list(chromium.FLAGS), env={**environment}
        )
        page = browser.new_page()
        address = f"http://{cluster.nodes[1].admin}/"
        chosen = hand_over(page, address)
        until(lambda: leader_told_by(cluster, 1) == chosen)
        frozen = next(node_id for node_id in (2, 3) if str(node_id) != chosen)
        os.kill(cluster.nodes[frozen].pid, signal.SIGSTOP)
        try:
            expect(page.locator(f"[data-node='{frozen}'] [data-cell=state]")).to_have_text(
                "No answer", timeout=15_000
            )
            with httpx.Client(base_url=address, trust_env=False) as client:
                client.get("/v1/health")
                told = client.get("/v1/cluster/status?node=all").json()
            assert [one["id"] for one in told if "within 0.9 s" in one.get("error", "")] == [frozen]
            expect(page.locator("[data-successors] option")).to_have_count(1)
        finally:
            os.kill(cluster.nodes[frozen].pid, signal.SIGCONT)
        expect(page.locator(f"[data-node='{frozen}'] [data-cell=state]")).to_have_text(
            "Follower", timeout=30_000
        )
        browser.close()
