"""The log file on disk: rotated by size, taken away by others, full, and read meanwhile."""

import logging
from pathlib import Path

import pytest

from diag.logs.files import Follower, RotatedFile, last_lines


def writer(path: Path, max_bytes: int = 0, kept: int = 3) -> tuple[logging.Logger, RotatedFile]:
    handler = RotatedFile(path, max_bytes, kept)
    logger = logging.getLogger("diag.of_the_test")
    logging.getLogger("diag").handlers[:] = [handler]
    return logger, handler


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metadiag-0.log"


def test_where_there_is_no_log_there_are_no_lines(path: Path) -> None:
    assert last_lines(path, 10) == []
    assert list(Follower(path).lines()) == []


def test_the_last_lines_reach_back_through_rotated_files(path: Path) -> None:
    logger, handler = writer(path, max_bytes=160, kept=3)
    for number in range(100):
        logger.warning("line %d", number)
    handler.close()
    assert len(list(path.parent.iterdir())) == 4
    kept = last_lines(path, 1000)
    assert kept == [f"line {number}" for number in range(100 - len(kept), 100)]
    assert 60 <= len(kept) < 100, "twenty lines a file"
    assert last_lines(path, 50) == [f"line {number}" for number in range(50, 100)]
    assert last_lines(path, 0) == []
    few = last_lines(path, 90, most_bytes=1)
    assert few == kept[-len(few) :]
    assert len(few) < 20, "of one file, whose first line may be cut"


def test_long_lines_and_a_last_one_without_an_end_come_whole(path: Path) -> None:
    long = "x" * 200_000
    path.write_text(f"a\n{long}\n\nlast")
    assert last_lines(path, 3) == [long, "", "last"]
    assert last_lines(path, 10) == ["a", long, "", "last"]


def test_a_follower_misses_nothing_over_many_rotations(path: Path) -> None:
    logger, handler = writer(path, max_bytes=400, kept=20)
    logger.warning("before")
    follower = Follower(path)
    seen: list[str] = []
    for number in range(500):
        logger.warning("line %d", number)
        if number % 83 == 0:  # several rotations lie between two looks
            seen += follower.lines()
    seen += follower.lines()
    follower.close()
    handler.close()
    assert seen == [f"line {number}" for number in range(500)]


def test_a_follower_waits_for_a_file_that_is_not_there_yet_and_for_the_end_of_a_line(path: Path) -> None:
    follower = Follower(path)
    assert list(follower.lines()) == []
    with path.open("w") as file:
        file.write("one\ntw")
        file.flush()
        assert list(follower.lines()) == ["one"]
        file.write("o\n")
        file.flush()
        assert list(follower.lines()) == ["two"]
    path.write_text("")
    assert list(follower.lines()) == []
    path.write_text("anew\n")
    assert list(follower.lines()) == ["anew"]
    follower.close()


def test_a_file_that_another_program_took_away_is_begun_anew(path: Path) -> None:
    logger, handler = writer(path)
    logger.warning("one")
    follower = Follower(path)
    path.rename(path.with_name("taken.log"))
    logger.warning("two")
    assert [line for _ in range(5) for line in follower.lines()] == ["two"]
    path.unlink()
    logger.warning("three")
    assert list(follower.lines()) == ["three"]
    handler.close()
    follower.close()
    assert path.read_text() == "three\n"


def test_a_log_that_cannot_be_written_is_told_once_and_ends_nothing(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path.symlink_to("/dev/full")
    logger, handler = writer(path)
    for _ in range(10):
        logger.warning("lost")
    told = capsys.readouterr().err
    assert told.count("cannot be written") == 1
    assert "No space left" in told
    with pytest.raises(OSError, match="No space left"):
        handler.close()
