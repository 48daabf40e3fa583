"""``diag bundle``: a file that opens, whatever happens, or none; and no secret in it."""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from diag.cli import main
from diag.faults.disk import Disk, refusal
from diag.perf.children import environment
from diag.perf.node_process import NodeProcess, free_ports
from tests.bundle.opened import opened
from tests.polling import until

PLANTED = [f"planted-secret-{number}-of-the-tests" for number in range(6)]
QUICK = ("--duration", "1", "--interval", "1")


@pytest.fixture(scope="module")
def secretive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """A node with secrets in its configuration, its environment and its log."""
    directory = tmp_path_factory.mktemp("secretive")
    logs = directory / "node" / "logs"
    config = directory / "meta.toml"
    config.write_text(f'[raft_config]\nraft_accepted_secrets = ["{PLANTED[2]}"]\n')
    flags = [
        *("--admin-token", PLANTED[0], "--raft-secret", PLANTED[1], "-c", str(config)),
        *("--log-file-on", "true", "--log-file-level", "INFO", "--log-dir", str(logs), "--id", "1"),
    ]
    with NodeProcess(directory / "node", flags, environment={"SOME_API_KEY": PLANTED[3]}) as running:
        (log,) = logs.glob("*.log*")
        with log.open("a") as file:
            file.write(f"a client sent Authorization: Bearer {PLANTED[4]}\n")
            file.write(f'{{"fields": {{"message": "raft_secret={PLANTED[5]} {PLANTED[0]} {PLANTED[3]}"}}}}\n')
        yield running


def command(node: NodeProcess, target: Path, *more: str) -> Sequence[str]:
    return ["bundle", "--endpoint", node.admin, "-o", str(target), *more]


def test_no_node_is_a_sentence_and_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (port,) = free_ports(1)
    target = tmp_path / "bundle.tar.gz"
    assert main(["bundle", "--endpoint", f"127.0.0.1:{port}", "-o", str(target)]) == 1
    assert "cannot reach" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_all_of_a_node_and_no_secret(
    secretive: NodeProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "bundle.tar.gz"
    assert main(command(secretive, target, *QUICK)) == 0
    assert f"{target}: " in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["bundle.tar.gz"]
    assert target.stat().st_mode & 0o077 == 0, "evidence is for its owner"
    told = opened(target.read_bytes())
    assert [one for one in told.index["items"] if one["state"] == "failed"] == []
    assert b"a client sent Authorization: ***" in told.files["nodes/1/log.txt"]
    assert b'raft_secret = "***"' in told.files["nodes/1/config.toml"]
    assert b"<svg" in told.files["nodes/1/cpu.svg"]
    assert told.index["made_by"].startswith("metadiag ")
    everything = b"\0".join([*told.files.values(), repr(told.index).encode()])
    for secret in PLANTED:
        assert secret.encode() not in everything


def test_a_file_that_is_there_stays_unless_told(
    secretive: NodeProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "bundle.tar.gz"
    target.write_bytes(b"of last night")
    assert main(command(secretive, target, *QUICK, "--no-profiles")) == 2
    assert f"{target} is there" in capsys.readouterr().err
    assert target.read_bytes() == b"of last night"
    assert main(command(secretive, target, *QUICK, "--no-profiles", "--overwrite")) == 0
    assert opened(target.read_bytes()).index["interrupted"] is False
    assert "taken once" not in capsys.readouterr().err


def test_one_moment_alone_is_told(
    secretive: NodeProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "bundle.tar.gz"
    assert main(command(secretive, target, "--duration", "1", "--interval", "2", "--no-profiles")) == 0
    assert "taken once: the duration of 1 s is shorter than the interval of 2 s" in capsys.readouterr().err


def test_ctrl_c_keeps_what_is_there(secretive: NodeProcess, tmp_path: Path) -> None:
    target = tmp_path / "bundle.tar.gz"
    words = command(secretive, target, "--duration", "600", "--interval", "1", "--no-profiles")
    making = subprocess.Popen(
        [sys.executable, "-m", "diag", *words], stdout=subprocess.PIPE, text=True, env=environment({})
    )
    until(lambda: [path for path in tmp_path.iterdir() if path.stat().st_size > 2000])
    making.send_signal(signal.SIGINT)
    said, _ = making.communicate(timeout=30)
    assert making.returncode == 130
    assert "ended early" in said
    assert [path.name for path in tmp_path.iterdir()] == ["bundle.tar.gz"]
    told = opened(target.read_bytes())
    assert told.index["interrupted"] is True
    assert "nodes/1/status.json" in told.files


def test_what_a_killed_run_left_is_removed_by_the_next(secretive: NodeProcess, tmp_path: Path) -> None:
    target = tmp_path / "bundle.tar.gz"
    words = command(secretive, target, "--duration", "600", "--interval", "1", "--no-profiles")
    making = subprocess.Popen([sys.executable, "-m", "diag", *words], env=environment({}))
    until(lambda: [path for path in tmp_path.iterdir() if path.stat().st_size > 2000])
    (lives,) = tmp_path.iterdir()
    assert main(command(secretive, target, *QUICK, "--no-profiles")) == 0
    assert set(tmp_path.iterdir()) == {target, lives}, "one that is being written stays"
    making.kill()
    making.wait()
    assert main(command(secretive, target, *QUICK, "--no-profiles", "--overwrite")) == 0
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_leaves_no_file(
    secretive: NodeProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if reason := refusal(tmp_path):
        pytest.skip(reason)
    with Disk(tmp_path, "a", megabytes=16) as disk:
        disk.fill(leave=8192)
        before = sorted(disk.path.iterdir())
        assert main(command(secretive, disk.path / "bundle.tar.gz", *QUICK, "--no-profiles")) == 1
        assert "cannot be written" in capsys.readouterr().err
        assert sorted(disk.path.iterdir()) == before


def test_a_cap_is_kept(secretive: NodeProcess, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory) / "bundle.tar.gz"
        assert main(command(secretive, target, *QUICK, "--no-profiles", "--max-size", "1")) == 0
        assert target.stat().st_size <= 1 << 20


@pytest.mark.parametrize("nodes", ["9", "x", "", "1,9"])
def test_nodes_that_there_are_not(
    secretive: NodeProcess, tmp_path: Path, nodes: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(secretive, tmp_path / "bundle.tar.gz", "--nodes", nodes)) == 2
    assert "it must be all, or of 1" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
