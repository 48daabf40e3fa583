import stat
from pathlib import Path

import pytest

from diag.errors import EtcdMissing
from diag.replication.etcd_binary import FETCHED, EtcdBinary, checked, find_etcd


def make(path: Path, version: str) -> Path:
    """A program that tells a version as etcd does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho 'etcd Version: {version}'\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_no_etcd_anywhere_is_told_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EtcdMissing, match=r"none on PATH: run `make etcd`, or .*raft_config.etcd_binary"):
        find_etcd(root=tmp_path)


@pytest.mark.parametrize("version", ["3.4.23", "3.5.0", "3.5.2", "3.5.15"])
def test_an_old_etcd_is_refused(version: str, tmp_path: Path) -> None:
    with pytest.raises(EtcdMissing, match=rf"is etcd {version}, which can .*3\.5\.16 or newer"):
        checked(make(tmp_path / "etcd", version))


@pytest.mark.parametrize(
    ("version", "strict"), [("3.5.16", True), ("3.5.27", True), ("3.5.28", False), ("3.6.0", False)]
)
def test_reads_need_help_below_3_5_28(version: str, strict: bool, tmp_path: Path) -> None:
    found = checked(make(tmp_path / "etcd", version))
    assert (found.version_text, found.strict_reads_needed) == (version, strict)


def test_what_is_no_etcd_is_told(tmp_path: Path) -> None:
    with pytest.raises(EtcdMissing, match="cannot be run"):
        checked(tmp_path / "absent")
    program = make(tmp_path / "etcd", "")
    with pytest.raises(EtcdMissing, match="does not tell an etcd version"):
        checked(program)


def test_the_fetched_one_serves_when_that_on_path_is_too_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "bin/etcd", "3.4.23")
    fetched = make(tmp_path / FETCHED, "3.5.30")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")
    assert find_etcd(root=tmp_path).path == fetched
    assert find_etcd(fetched).version == (3, 5, 30)


def test_the_real_one_is_fit(etcd: EtcdBinary) -> None:
    assert etcd.version >= (3, 5, 16)
