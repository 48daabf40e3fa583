"""``diag doctor``: sentences, JSON, and exit codes for scripts."""

import json
from pathlib import Path
from typing import Any

import pytest

from diag.cli import main
from diag.perf.node_process import NodeProcess, free_ports

CODES = {"fine": 0, "warning": 1, "critical": 2}


def test_of_a_healthy_node_the_worst_finding_is_the_exit_code(
    node: NodeProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["doctor", "--endpoint", node.admin, "--json"])
    told = json.loads(capsys.readouterr().out)
    assert code == CODES[told["severity"]]
    assert told["answered"] == [0]
    assert main(["doctor", "--endpoint", node.admin]) in CODES.values()
    assert "checks of node 0" in capsys.readouterr().out


def test_a_node_that_does_not_answer_is_a_critical_finding(capsys: pytest.CaptureFixture[str]) -> None:
    (port,) = free_ports(1)
    assert main(["doctor", "--endpoint", f"127.0.0.1:{port}"]) == 2
    said = capsys.readouterr().out
    assert f"CRITICAL silent_node: The node at http://127.0.0.1:{port} does not answer." in said
    assert "no node answered" in said


def test_the_next_endpoint_is_asked(node: NodeProcess, capsys: pytest.CaptureFixture[str]) -> None:
    (port,) = free_ports(1)
    endpoints = ["--endpoint", f"127.0.0.1:{port}", "--endpoint", node.admin]
    assert main(["doctor", "--json", *endpoints]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["answered"] == [0]
    assert told["findings"][0]["name"] == "silent_node"


def test_what_cannot_be_asked_is_neither_well_nor_ill(
    node: NodeProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--endpoint", f"http://{node.admin}/nowhere"]) == 3
    assert "404" in capsys.readouterr().err


def test_a_slip_in_the_tokens_file_is_found_and_locks_nobody_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokens = tmp_path / "tokens.toml"
    assert main(["token", "--name", "ops", "--role", "admin", "--file", str(tokens)]) == 0
    token = capsys.readouterr().out.split()[-1]
    with NodeProcess(tmp_path / "node", ["--admin-tokens-file", str(tokens)]) as node:
        words = ["doctor", "--json", "--endpoint", node.admin, "--token", token]

        def found() -> list[dict[str, Any]]:
            assert main(words) in CODES.values()
            findings = json.loads(capsys.readouterr().out)["findings"]
            return [one for one in findings if one["name"] == "tokens_unread"]

        assert found() == []
        good = tokens.read_text()
        tokens.write_text(good + "[[token]]\nrole = read\n")
        (finding,) = found()
        assert str(tokens) in finding["evidence"][0]
        assert "line " in finding["evidence"][0]
        tokens.write_text(good)
        assert found() == []
