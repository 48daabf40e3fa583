import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from diag.errors import Conflict, Damaged, InvalidRequest, NoSpace, NotFound, StoreError
from diag.profilers.shelf import Shelf
from tests.limits import files_up_to
from tests.polling import until
from tests.profilers.profiles import about, content

ROOT = Path(__file__).parents[2]


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "profiles", 5, 1 << 20)


def ids(shelf: Shelf) -> list[str]:
    return [entry.id for entry in shelf.all()]


def file_of(tmp_path: Path, id_: str) -> Path:
    return tmp_path / "profiles" / f"{id_}.pb.gz"


def test_an_empty_shelf(shelf: Shelf, tmp_path: Path) -> None:
    shelf.clean()
    assert shelf.all() == []
    shelf.require_free("any")
    for act in (shelf.get, shelf.remove):
        with pytest.raises(NotFound, match="any"):
            act("any")
    assert not (tmp_path / "profiles").exists()


def test_profiles_are_listed_newest_first_and_found_by_id_and_name(shelf: Shelf) -> None:
    kept = [shelf.add(about(name, when), content()) for when, name in enumerate([None, "a", "b"])]
    assert ids(shelf) == [one.id for one in reversed(kept)]
    assert shelf.get("a") == (kept[1], content())
    assert shelf.get(kept[1].id) == (kept[1], content())


def test_each_change_of_the_list_is_counted(shelf: Shelf) -> None:
    seen = [shelf.changes]
    kept = shelf.add(about(), content())
    seen.append(shelf.changes)
    shelf.rename(kept.id, "a")
    seen.append(shelf.changes)
    shelf.remove("a")
    seen.append(shelf.changes)
    assert seen == sorted(set(seen))
    with pytest.raises(NotFound):
        shelf.remove("a")
    assert shelf.changes == seen[-1]


def test_it_is_all_there_for_the_next_process(shelf: Shelf, tmp_path: Path) -> None:
    kept = shelf.add(about("a"), content())
    again = Shelf(tmp_path / "profiles", 5, 1 << 20)
    again.clean()
    assert again.get("a") == (kept, content())


def test_the_oldest_go_when_there_are_too_many(shelf: Shelf) -> None:
    kept = [shelf.add(about(when=when), content()) for when in range(7)]
    assert ids(shelf) == [one.id for one in reversed(kept[2:])]


def test_named_ones_stay_until_only_they_are_left(shelf: Shelf) -> None:
    shelf.add(about("first", 0), content())
    for when in range(1, 7):
        shelf.add(about(when=when), content())
    assert [entry.name for entry in shelf.all()] == [None, None, None, None, "first"]
    for when in range(7, 12):
        shelf.add(about(f"n{when}", when), content())
    assert [entry.name for entry in shelf.all()] == ["n11", "n10", "n9", "n8", "n7"]


def test_the_oldest_go_when_there_are_too_many_bytes(tmp_path: Path) -> None:
    size = Shelf(tmp_path / "profiles", 100, 1 << 20)
    size.add(about(when=0), content())
    each = size.all()[0].size
    shelf = Shelf(tmp_path / "profiles", 100, 3 * each + each // 2)
    kept = [shelf.add(about(when=when), content()) for when in range(1, 6)]
    assert ids(shelf) == [one.id for one in reversed(kept[2:])]


def test_one_that_is_larger_than_all_may_be_pushes_out_nothing(tmp_path: Path) -> None:
    Shelf(tmp_path / "profiles", 9, 1 << 20).add(about(), content())
    shelf = Shelf(tmp_path / "profiles", 9, 100)
    with pytest.raises(NoSpace, match="keep_bytes"):
        shelf.add(about(), content())
    assert len(shelf.all()) == 1


def test_a_count_of_none_keeps_none(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "profiles", 0, 1 << 20)
    with pytest.raises(NoSpace, match="keep_count"):
        shelf.add(about(), content())


def test_a_name_is_had_once(shelf: Shelf) -> None:
    first = shelf.add(about("a"), content())
    with pytest.raises(Conflict, match=first.id):
        shelf.require_free("a")
    second = shelf.add(about("a"), content())
    assert second.name is None
    with pytest.raises(Conflict, match=first.id):
        shelf.rename(second.id, "a")
    assert shelf.rename(second.id, "b").name == "b"
    assert shelf.rename("b", "b").id == second.id
    assert shelf.get("b")[0].id == second.id


@pytest.mark.parametrize("key", ["../../etc/passwd", "..", "", "a/b", "/etc/passwd", "a\0b"])
def test_a_path_is_no_key(shelf: Shelf, key: str) -> None:
    for act in (shelf.get, shelf.remove, lambda key: shelf.rename(key, "a")):
        with pytest.raises(InvalidRequest):
            act(key)


def test_a_removed_one_is_gone(shelf: Shelf) -> None:
    kept = shelf.add(about("a"), content())
    assert shelf.remove("a") == kept.id
    assert shelf.all() == []


def test_a_damaged_file_is_told_and_harms_no_other(shelf: Shelf, tmp_path: Path) -> None:
    good, bad = shelf.add(about("good"), content()), shelf.add(about("bad"), content())
    file_of(tmp_path, bad.id).write_bytes(b"\0" * 100)
    damaged = next(entry for entry in shelf.all() if entry.id == bad.id)
    assert damaged.about is None
    assert "damaged" in str(damaged.damage)
    with pytest.raises(Damaged, match=bad.id):
        shelf.get(bad.id)
    assert shelf.get("good")[0] == good
    shelf.add(about("bad"), content())
    assert shelf.remove(bad.id) == bad.id


def test_a_file_that_is_a_directory_is_told(shelf: Shelf, tmp_path: Path) -> None:
    kept = shelf.add(about(), content())
    file_of(tmp_path, kept.id).unlink()
    file_of(tmp_path, kept.id).mkdir()
    assert shelf.all()[0].damage is not None
    with pytest.raises(StoreError):
        shelf.get(kept.id)


def test_foreign_files_are_left_alone(shelf: Shelf, tmp_path: Path) -> None:
    shelf.add(about(), content())
    foreign = tmp_path / "profiles" / "notes.pb.gz"
    foreign.write_bytes(b"mine")
    shelf.clean()
    assert len(shelf.all()) == 1
    assert foreign.read_bytes() == b"mine"


def test_a_full_disk_is_told_and_leaves_nothing_half_made(shelf: Shelf, tmp_path: Path) -> None:
    kept = shelf.add(about("a"), content())
    with files_up_to(100):
        with pytest.raises(NoSpace, match="free space"):
            shelf.add(about(), content())
        with pytest.raises(NoSpace):
            shelf.rename("a", "b")
    assert [path.name for path in (tmp_path / "profiles").iterdir()] == [f"{kept.id}.pb.gz"]
    assert shelf.get("a") == (kept, content())
    shelf.add(about(), content())


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "profiles").write_bytes(b"")
    shelf = Shelf(tmp_path / "profiles", 5, 1 << 20)
    shelf.clean()
    with pytest.raises(StoreError):
        shelf.add(about(), content())
    with pytest.raises(StoreError):
        shelf.all()


def test_two_that_write_at_once_both_keep_theirs_and_one_the_name(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "profiles", 100, 1 << 20)
    threads = [
        threading.Thread(target=lambda: [shelf.add(about("wanted"), content()) for _ in range(10)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(shelf.all()) == 40
    assert [entry.name for entry in shelf.all() if entry.name] == ["wanted"]


WRITER = """
import sys, pathlib
from diag.profilers.shelf import Shelf
from tests.profilers.profiles import about, content
shelf = Shelf(pathlib.Path(sys.argv[1]), 1000, 1 << 30)
while True:
    shelf.add(about(), content())
"""


def test_a_writer_that_is_killed_leaves_whole_profiles_alone(tmp_path: Path) -> None:
    directory = tmp_path / "profiles"
    shelf = Shelf(directory, 1000, 1 << 30)
    child = subprocess.Popen([sys.executable, "-c", WRITER, str(directory)], cwd=ROOT)
    until(lambda: len(shelf.all()) > 5)
    child.send_signal(signal.SIGKILL)
    child.wait()
    (directory / f"{about().id}-1.making").write_bytes(b"half")
    (directory / "scratch-left").mkdir()
    shelf.clean()
    assert all(path.name.endswith(".pb.gz") for path in directory.iterdir())
    assert all(entry.damage is None for entry in shelf.all())
    for entry in shelf.all():
        assert shelf.get(entry.id)[1] == content()


def test_scratch_is_on_the_shelf_s_disk_and_goes(shelf: Shelf, tmp_path: Path) -> None:
    with shelf.scratch() as path:
        assert path.parent == tmp_path / "profiles"
        (path / "file").write_bytes(b"x")
    assert not path.exists()
    assert shelf.all() == []


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="mounting takes root")
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs could be mounted: {mounted.stderr.decode().strip()}")
    try:
        shelf = Shelf(small / "profiles", 5, 1 << 20)
        kept = shelf.add(about(), content())
        noise = os.urandom(100_000)
        with pytest.raises(NoSpace):
            shelf.add(about(), content() + noise)
        assert ids(shelf) == [kept.id]
        shelf.add(about(), content())
    finally:
        subprocess.run(["umount", str(small)], check=True)
