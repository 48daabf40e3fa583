"""The archive: empty, with hostile names, at its cap, on a full disk, and closed early."""

import io
import os
import time
from pathlib import Path

import pytest

from diag.bundle.archive import Archive, Entry, safe
from diag.errors import NoSpace
from diag.faults.disk import Disk, refusal
from tests.bundle.opened import Opened, opened

CAP = 1 << 20


def entry(name: str, node: int | None = 1) -> Entry:
    return Entry(item=name, name=name, node=node, state="ok", when=time.time())


def made(*names: str, cap: int = CAP, content: bytes = b"x") -> Opened:
    file = io.BytesIO()
    archive = Archive(file, "root", cap)
    for name in names:
        archive.add(entry(name), content)
    archive.close({"format": 1})
    return opened(file.getvalue())


def test_an_empty_one_has_an_index() -> None:
    empty = made()
    assert (empty.files, empty.index) == ({}, {"format": 1, "items": []})


def test_the_same_name_twice_is_two_files() -> None:
    assert sorted(made("a/cpu.pb.gz", "a/cpu.pb.gz", "a/cpu.pb.gz", "b", "b").files) == [
        *("a/cpu-2.pb.gz", "a/cpu-3.pb.gz", "a/cpu.pb.gz", "b", "b-2")
    ]


@pytest.mark.parametrize(
    "hostile",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "..",
        ".",
        "",
        "a/../../b",
        "a\\..\\b",
        "\0\n",
        "index.json",
        "x" * 999,
        *("-rf", ".hidden", "nodes//1", "ä/ö", "CON"),
    ],
)
def test_no_name_leads_elsewhere(hostile: str) -> None:
    (name,) = made(hostile or "").files
    assert not name.startswith(("/", ".", "-"))
    assert ".." not in name.split("/")
    assert name != "index.json"
    assert name.isascii()


def test_a_safe_part_stays() -> None:
    assert safe("node-1.log") == "node-1.log"


def test_what_has_no_room_is_told_and_what_is_small_still_has() -> None:
    file = io.BytesIO()
    archive = Archive(file, "root", 20_000)
    assert archive.add(entry("small"), b"x")
    assert not archive.add(entry("large"), os.urandom(30_000))
    assert archive.add(entry("shrinks"), bytes(200_000))
    assert archive.add(entry("small too"), b"x")
    archive.close({})
    told = opened(file.getvalue())
    assert sorted(told.files) == ["shrinks", "small", "small_too"]
    skipped = told.entry("large", 1)
    assert (skipped["state"], skipped["bytes"], skipped["name"]) == ("skipped", 30_000, None)
    assert "cap of 20000 bytes" in skipped["error"]
    assert len(file.getvalue()) < 20_000 + 2_000


def test_nothing_is_added_after_the_end() -> None:
    file = io.BytesIO()
    archive = Archive(file, "root", CAP)
    archive.close({})
    assert not archive.add(entry("late"), b"x")
    assert opened(file.getvalue()).files == {}


def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    if reason := refusal(tmp_path):
        pytest.skip(reason)
    with Disk(tmp_path, "a", megabytes=16) as disk:
        disk.fill()
        with (
            (disk.path / "bundle").open("wb", buffering=0) as file,
            pytest.raises(NoSpace, match="Free some"),
        ):
            Archive(file, "root", 64 << 20).add(entry("large"), os.urandom(1 << 20))
