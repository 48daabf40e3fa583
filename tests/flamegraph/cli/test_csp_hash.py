import json
from pathlib import Path

import pytest

from flamegraph.cli import main
from tests.flamegraph.pictures import parse


def test_csp_hash_prints_directives(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["csp-hash"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["script-src", "style-src"]
    assert all(word.startswith("'sha256-") for line in lines for word in line.split()[1:])
    assert main(["csp-hash", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"script-src", "style-src"}


def test_the_script_of_a_picture_is_the_one_whose_hash_is_printed(
    folded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from flamegraph.csp import csp_hash

    assert main(["csp-hash", "--json"]) == 0
    allowed = json.loads(capsys.readouterr().out)["script-src"]
    assert main(["render", str(folded)]) == 0
    root = parse(capsys.readouterr().out)
    scripts = [
        element.text or ""
        for element in root.iter("{http://www.w3.org/2000/svg}script")
        if element.get("type") != "application/json"
    ]
    assert scripts
    assert all(csp_hash(script) in allowed for script in scripts)
