import base64
import hashlib
import io
from xml.etree import ElementTree

import pytest

from flamegraph import Profile, read_folded
from flamegraph.colors import PALETTES
from flamegraph.csp import csp_hash, csp_hashes
from flamegraph.html import render_html
from flamegraph.svg import render
from tests.flamegraph.pictures import SVG, parse


def test_the_hash_of_nothing() -> None:
    digest = base64.b64encode(hashlib.sha256(b"").digest()).decode()
    assert csp_hash("") == f"'sha256-{digest}'"


def inline(root: ElementTree.Element, tag: str) -> list[str]:
    return [element.text or "" for element in root.iter(f"{SVG}{tag}") if "type" not in element.attrib]


@pytest.mark.parametrize("palette", PALETTES)
def test_every_picture_is_covered(palette: str) -> None:
    published = csp_hashes()
    for folded in (b"a 1\n", b"b;c 2\nd 9\n"):
        root = parse(render(read_folded(io.BytesIO(folded)), palette=palette, title="<x>"))
        assert [csp_hash(text) for text in inline(root, "script")] == published["script-src"][:1]
        assert {csp_hash(text) for text in inline(root, "style")} <= set(published["style-src"])


def test_hashes_are_one_a_text() -> None:
    for hashes in csp_hashes().values():
        assert len(set(hashes)) == len(hashes)


def test_a_page_names_what_it_runs_itself() -> None:
    page = render_html(Profile.from_stacks([(("a",), 1)]))
    policy = page.partition('http-equiv="Content-Security-Policy" content="')[2].partition('"')[0]
    assert policy.startswith("default-src 'none'; ")
    assert all(source in policy for source in csp_hashes()["script-src"])
    assert "unsafe" not in policy
