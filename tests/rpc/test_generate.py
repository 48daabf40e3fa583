from pathlib import Path

import pytest

from diag.rpc.generate import PARTS, ROOT, generate


@pytest.mark.parametrize("part", PARTS)
def test_the_stubs_are_those_of_the_proto_files(part: str, tmp_path: Path) -> None:
    generate(tmp_path)
    made = {file.name: file.read_text() for file in (tmp_path / part / "stubs").iterdir()}
    kept = {file.name: file.read_text() for file in (ROOT / part / "stubs").glob("*_pb2*")}
    assert made == kept
