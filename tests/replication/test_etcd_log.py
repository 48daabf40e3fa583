import logging
from collections import deque
from pathlib import Path

import pytest

from diag.replication.etcd_log import REMOVED, EtcdLog, explained, removed, translated


def test_nothing_said_is_told_so() -> None:
    assert explained(deque()) == "etcd said nothing"
    assert not removed(deque())


def test_a_line_keeps_its_level_and_its_details() -> None:
    line = '{"level":"warn","ts":"2026-01-01T00:00:00Z","caller":"a.go:1","msg":"slow fsync","took":"2s"}'
    assert translated(line) == (logging.WARNING, "slow fsync took=2s")
    assert translated('{"level":"fatal","msg":"gone"}') == (logging.CRITICAL, "gone")
    assert translated("panic: oh") == (logging.WARNING, "panic: oh")


def test_lines_are_logged_once_and_when_whole(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log = EtcdLog(tmp_path / "etcd.log")
    log.pump()
    log.begin(anew=True)
    with log.path.open("ab", buffering=0) as file:
        file.write(b'{"level":"info","msg":"one"}\n{"level":"err')
        log.pump()
        file.write(b'or","msg":"two"}\n')
        log.pump()
        log.pump()
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("INFO", "one"),
        ("ERROR", "two"),
    ]


def test_a_large_file_is_emptied_once_it_is_read(tmp_path: Path) -> None:
    log = EtcdLog(tmp_path / "etcd.log")
    log.begin(anew=True)
    with log.path.open("ab", buffering=0) as file:
        file.write(b'{"level":"debug","msg":"x"}\n' * 200_000)
        log.pump()
        assert log.path.stat().st_size == 0
        file.write(b'{"level":"debug","msg":"after"}\n')
    log.pump()
    assert log.last[-1] == "after"


def test_known_ends_come_with_a_remedy() -> None:
    lines = deque(["listening", "listen tcp 127.0.0.1:1: bind: address already in use", "bye"])
    assert "address already in use; another process listens there" in explained(lines)
    older = "tocommit(46) is out of range [lastIndex(10)]. Was the raft log corrupted, truncated, or lost?"
    assert "as after a backup was put back" in explained(deque([older, "goroutine 147 [running]:"]))
    own = "removed member cluster-id=c local-member-id=3d removed-remote-peer-id=3d"
    lines = deque([own, "notifying init daemon", "listener failed error=server is stopping"])
    assert removed(lines)
    assert explained(lines) == REMOVED
    assert "was taken out" in explained(deque(["rejected Raft message to mismatch member", "notifying"]))
    assert not removed(deque([own.replace("peer-id=3d", "peer-id=3de")]))
    assert explained(deque(["a", "b"])) == "etcd's last lines were: a | b"
