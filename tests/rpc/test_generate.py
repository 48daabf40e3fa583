from pathlib import Path

from diag.rpc.generate import HERE, PACKAGE, generate


def test_the_stubs_are_those_of_the_proto_files(tmp_path: Path) -> None:
    generate(tmp_path)
    made = {file.name: file.read_text() for file in (tmp_path / PACKAGE).iterdir()}
    kept = {file.name: file.read_text() for file in (HERE / "stubs").glob("*_pb2*")}
    assert made == kept
