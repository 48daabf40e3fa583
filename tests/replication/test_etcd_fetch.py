import shutil
from pathlib import Path

import pytest

from diag.replication.etcd_fetch import CannotFetch, fetch, main, mirror

STANZA = """\
Types: deb
# a comment
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Types: deb
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
"""


def test_a_machine_without_sources_is_told(tmp_path: Path) -> None:
    with pytest.raises(CannotFetch, match="no Debian archive is named"):
        mirror(tmp_path)


def test_the_archive_is_the_one_the_machine_names(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d/debian.sources").write_text(STANZA)
    assert mirror(tmp_path) == "http://mirror.example/debian"


def test_one_line_sources_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(
        "# deb http://old.example/debian stable main\n"
        "deb [arch=amd64 signed-by=/a/key] https://mirror.example/debian/ trixie main\n"
    )
    assert mirror(tmp_path) == "https://mirror.example/debian/"


def test_a_disabled_source_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d/debian.sources").write_text("Enabled: no\n" + STANZA.split("\n\n")[1])
    with pytest.raises(CannotFetch):
        mirror(tmp_path)


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="no apt-get: fetching is for Debian")
def test_a_mirror_out_of_reach_is_told(tmp_path: Path) -> None:
    with pytest.raises(CannotFetch, match=r"apt could not bring it: E: Failed to fetch|is missing"):
        fetch(tmp_path / "etcd", "http://127.0.0.1:9/debian")
    assert not (tmp_path / "etcd").exists()


def test_what_is_there_already_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    binary = tmp_path / "usr/bin/etcd"
    binary.parent.mkdir(parents=True)
    binary.write_text("#!/bin/sh\n")
    binary.chmod(0o755)
    assert main([str(tmp_path)]) == 0
    assert "has an etcd already" in capsys.readouterr().out
