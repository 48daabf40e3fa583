"""The command against a real node: what it prints, and its exit codes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import httpx
import pytest
import trustme

from diag.cli import main
from diag.errors import Unavailable
from diag.perf.node_process import NodeProcess
from tests.polling import until


def test_no_subcommand_prints_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    for name in ("serve", "status", "profile", "kv", "watch", "export", "import", "restore"):
        assert f"  {name}" in printed


@pytest.mark.parametrize(
    "argv",
    [
        ["nonsense"],
        ["kv", "get"],
        ["profile", "cpu", "--mode", "x"],
        ["serve", "--id", "x", "--single"],
        ["serve"],
    ],
)
def test_a_wrong_call_is_told_with_exit_code_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    assert capsys.readouterr().err


def test_show_config_redacts_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--single", "--cmd", "show-config", "--admin-token", "planted"]) == 0
    printed = capsys.readouterr().out
    assert "planted" not in printed
    assert "single = true" in printed


def test_ver_prints_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--cmd", "ver"]) == 0
    assert capsys.readouterr().out.startswith("version: ")


def test_an_unreachable_node_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--endpoint", "127.0.0.1:1"]) == 1
    assert "cannot reach" in capsys.readouterr().err
    assert main(["kv", "get", "--endpoint", "127.0.0.1:1", "k"]) == 1
    told = capsys.readouterr().err
    assert "UNAVAILABLE: 127.0.0.1:1 cannot be reached: nothing listens there; start the node" in told
    assert "all addresses" not in told


def test_a_node_with_tls_asks_for_its_authority(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    issuer = trustme.CA()
    issued = issuer.issue_cert("127.0.0.1")
    both, ca = tmp_path / "node.pem", tmp_path / "ca.pem"
    issued.private_key_and_cert_chain_pem.write_to_path(both)
    issuer.cert_pem.write_to_path(ca)
    flags = ["--grpc-tls-server-cert", str(both), "--grpc-tls-server-key", str(both)]
    with NodeProcess(tmp_path / "node", flags) as node:
        at = ["--endpoint", node.grpc]
        assert main(["kv", "put", *at, "--ca", str(ca), "k", "v"]) == 0
        capsys.readouterr()
        assert main(["kv", "get", *at, "k"]) == 1
        assert "if the node serves TLS, name its authority with --ca" in capsys.readouterr().err


def test_keys_are_written_read_listed_and_deleted(
    node: NodeProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ["--endpoint", node.grpc]
    assert main(["kv", "get", *at, "cli/a"]) == 1
    assert main(["kv", "put", *at, "cli/a", "one"]) == 0
    seq = int(capsys.readouterr().out)
    assert main(["kv", "put", *at, "--ttl", "60", "cli/b", "two"]) == 0
    assert int(capsys.readouterr().out) == seq + 1
    assert main(["kv", "get", *at, "cli/a"]) == 0
    assert capsys.readouterr().out == "one"
    assert main(["kv", "list", *at, "cli/"]) == 0
    assert capsys.readouterr().out.split() == ["cli/a", "cli/b"]
    assert main(["kv", "mget", *at, "cli/b", "cli/none"]) == 1
    found, absent = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert found["data"] == "two"
    assert found["expire_at"] > 0
    assert absent == {"key": "cli/none", "seq": 0, "data": None}
    assert main(["kv", "delete", *at, "cli/a"]) == 0
    assert main(["kv", "delete", *at, "cli/a"]) == 1


def test_status_nodes_and_metrics_are_live(node: NodeProcess, capsys: pytest.CaptureFixture[str]) -> None:
    at = ["--endpoint", node.admin]
    assert main(["status", *at]) == 0
    printed = capsys.readouterr().out
    assert "State: Leader" in printed
    assert "LastApplied: T1-N0." in printed
    assert main(["status", *at, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["is_leader"] is True
    assert main(["nodes", *at]) == 0
    assert capsys.readouterr().out.startswith("id=0 raft=")
    assert main(["metrics", *at]) == 0
    assert "metasrv_server_is_leader 1" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["cpu", "heap", "trace"])
def test_a_profile_becomes_a_picture(
    node: NodeProcess, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / f"{kind}.svg"
    assert main(["profile", kind, "--endpoint", node.admin, "--seconds", "0.3", "-o", str(out)]) == 0
    assert ET.parse(out).getroot().tag.endswith("svg")
    assert "engine=" in capsys.readouterr().err


def test_threads_name_the_serving_thread(node: NodeProcess, tmp_path: Path) -> None:
    out = tmp_path / "threads.json"
    assert main(["profile", "threads", "--endpoint", node.admin, "--json", "-o", str(out)]) == 0
    assert "MainThread" in {thread["name"] for thread in json.loads(out.read_text())["threads"]}


def test_an_export_becomes_a_node_with_the_same_keys(
    node: NodeProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ["--endpoint", node.grpc]
    main(["kv", "put", *at, "moved/x", "kept"])
    db, directory = tmp_path / "all.ndjson", tmp_path / "second"
    assert main(["export", *at, "--db", str(db)]) == 0
    assert json.loads(db.read_text().splitlines()[0])[0] == "header"
    assert main(["import", "--raft-dir", str(directory / "raft"), "--db", str(db)]) == 0
    assert main(["import", "--raft-dir", str(directory / "raft"), "--db", str(db)]) == 1, "never overwritten"
    with NodeProcess(directory) as second:
        capsys.readouterr()
        assert main(["kv", "get", "--endpoint", second.grpc, "moved/x"]) == 0
        assert capsys.readouterr().out == "kept"


def test_a_snapshot_can_be_restored(
    node: NodeProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["kv", "put", "--endpoint", node.grpc, "kept/y", "safe"])
    assert main(["snapshot", "--endpoint", node.admin]) == 0
    restored = tmp_path / "restored"
    assert main(["restore", "--raft-dir", str(node.directory / "raft"), "--to", str(restored / "raft")]) == 0
    with NodeProcess(restored) as second:
        capsys.readouterr()
        assert main(["kv", "get", "--endpoint", second.grpc, "kept/y"]) == 0
        assert capsys.readouterr().out == "safe"


def test_what_is_restored_or_imported_belongs_to_a_node(node: NodeProcess, tmp_path: Path) -> None:
    db, raft = tmp_path / "all.ndjson", str(node.directory / "raft")
    assert main(["snapshot", "--endpoint", node.admin]) == 0
    assert main(["export", "--endpoint", node.grpc, "--db", str(db)]) == 0
    for name, owner, made in (
        ("imported", 7, ["import", "--db", str(db), "--id", "7", "--raft-dir"]),
        ("restored", 7, ["restore", "--raft-dir", raft, "--id", "7", "--to"]),
        ("same", 0, ["restore", "--raft-dir", raft, "--to"]),
    ):
        assert main([*made, str(tmp_path / name / "raft")]) == 0
        with (
            pytest.raises(Unavailable, match=f"belongs to node {owner}, and this is node 6; .*--id {owner}"),
            NodeProcess(tmp_path / name, ["--id", "6"]),
        ):
            pass


def test_watch_prints_changes_as_they_come(node: NodeProcess) -> None:
    main(["kv", "put", "--endpoint", node.grpc, "seen/a", "1"])
    command = [
        sys.executable,
        "-m",
        "diag",
        "watch",
        "--endpoint",
        node.grpc,
        "--initial-flush",
        "seen/",
        "seen0",
    ]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as watching:
        assert watching.stdout is not None
        assert json.loads(watching.stdout.readline())["current"]["data"] == "1"
        main(["kv", "put", "--endpoint", node.grpc, "seen/b", "2"])
        assert json.loads(watching.stdout.readline())["key"] == "seen/b"
        watching.terminate()


@pytest.mark.parametrize(
    ("end", "reason"),
    [(NodeProcess.stop, "the meta node is stopping; watch another"), (NodeProcess.kill, "")],
)
def test_a_watch_says_why_it_ended(tmp_path: Path, end: Callable[[NodeProcess], object], reason: str) -> None:
    with NodeProcess(tmp_path) as own:
        command = [sys.executable, "-m", "diag", "watch", "--endpoint", own.grpc, "k"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as watching:
            until(lambda: "metasrv_server_watchers 1" in httpx.get(f"http://{own.admin}/v1/metrics").text)
            end(own)
            assert watching.stderr is not None
            said = watching.stderr.read()
            assert watching.wait() == 1
        assert said.startswith(f"diag: UNAVAILABLE: the node at {own.grpc} ended the watch or went away: ")
        assert reason in said
        assert "refused" not in said
        own.start()


def test_a_value_of_several_megabytes_is_exported(node: NodeProcess, tmp_path: Path) -> None:
    value, db = tmp_path / "value", tmp_path / "all.ndjson"
    value.write_bytes(b"\xff" * (9 << 20))
    big = [sys.executable, "-m", "diag", "kv", "put", "--endpoint", node.grpc, "big", "-"]
    with value.open("rb") as source:
        subprocess.run(big, stdin=source, check=True, capture_output=True)
    assert main(["export", "--endpoint", node.grpc, "--db", str(db)]) == 0
    assert main(["kv", "delete", "--endpoint", node.grpc, "big"]) == 0
    assert main(["import", "--raft-dir", str(tmp_path / "raft"), "--db", str(db)]) == 0


@pytest.mark.parametrize("content", [b"", b"\xff\xfe junk", b'["header"]'])
def test_a_file_that_is_no_export_is_a_sentence(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    db = tmp_path / "junk"
    db.write_bytes(content)
    assert main(["import", "--raft-dir", str(tmp_path / "raft"), "--db", str(db)]) > 0
    assert capsys.readouterr().err.startswith("diag: ")
    assert main(["export", "--db", str(tmp_path)]) == 2
    assert "is a directory" in capsys.readouterr().err


def test_a_failed_export_leaves_the_last_one_whole(tmp_path: Path) -> None:
    db = tmp_path / "kept.ndjson"
    db.write_text("the last one")
    assert main(["export", "--endpoint", "127.0.0.1:1", "--db", str(db), "--overwrite"]) == 1
    assert db.read_text() == "the last one"
    assert list(tmp_path.iterdir()) == [db]


def test_an_export_replaces_a_file_only_when_told(
    node: NodeProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    db = tmp_path / "kept.ndjson"
    command = ["export", "--endpoint", node.grpc, "--db", str(db)]
    db.write_text("of last night")
    assert main(command) == 2
    assert f"{db} is there; name another file, or say --overwrite" in capsys.readouterr().err
    assert db.read_text() == "of last night"
    assert main([*command, "--overwrite"]) == 0
    assert "header" in db.read_text()
    assert main(["export", "--endpoint", node.grpc, "--db", "/dev/null", "--overwrite"]) == 2
    assert "/dev/null is no ordinary file" in capsys.readouterr().err


def test_keys_are_listed_such_that_none_steers_a_terminal(
    node: NodeProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    at, key = ["--endpoint", node.grpc], "steer/\x1b[31m\\x\n\xa0\u202eé"
    main(["kv", "put", *at, key, "v"])
    capsys.readouterr()
    assert main(["kv", "list", *at, "steer/"]) == 0
    listed = capsys.readouterr().out.removesuffix("\n")
    assert listed == r"steer/\x1b[31m\\x\n\u00a0\u202eé"
    read = subprocess.run(["bash", "-c", 'printf %b "$1"', "-", listed], capture_output=True, check=True)
    assert read.stdout.decode() == key
    assert main(["kv", "list", *at, "--json", "steer/"]) == 0
    assert json.loads(capsys.readouterr().out)["key"] == key
    main(["kv", "delete", *at, key])


def test_serve_says_what_its_options_are_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for flag, told in (("--raft-api-port", "The port of both."), ("--learner", "Join without a vote")):
        assert flag in said
        assert told in said
