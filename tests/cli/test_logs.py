"""``diag logs``: of a node that runs, and of files alone."""

import json
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from diag.cli import main
from diag.perf.node_process import NodeProcess


def line(message: str, level: str = "INFO", request_id: str | None = None) -> str:
    record: dict[str, object] = {
        "timestamp": "2027-01-15T08:00:00.000001Z",
        "level": level,
        "fields": {"message": message},
        "target": "diag.node",
    }
    return json.dumps(record | ({"request_id": request_id} if request_id else {}))


def written(directory: Path, *lines: str, node_id: int = 0) -> Path:
    path = directory / f"metadiag-{node_id}.log"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> list[str]:
    assert main(["logs", *argv]) == 0
    return capsys.readouterr().out.splitlines()


def test_no_log_and_too_many_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["logs", "--dir", str(tmp_path)]) == 1
    assert "there is no log in" in capsys.readouterr().err
    written(tmp_path, line("of 0"))
    written(tmp_path, line("of 7"), node_id=7)
    assert main(["logs", "--dir", str(tmp_path)]) == 2
    assert "logs of the nodes 0, 7; choose one by --id" in capsys.readouterr().err
    assert printed(capsys, "--dir", str(tmp_path), "--id", "7")[0].endswith("diag.node: of 7")
    assert main(["logs", "--dir", str(tmp_path), "--id", "8"]) == 1


def test_lines_are_text_and_chosen_by_level_and_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [line("one"), line("two\x1b[2J\nx", "WARNING", "r-1"), line("three", "AUDIT", "r-2"), "no JSON"]
    path = written(tmp_path, *lines)
    at = ("--dir", str(path))
    everything = printed(capsys, *at)
    assert everything == [
        "2027-01-15T08:00:00.000001Z INFO    diag.node: one",
        r"2027-01-15T08:00:00.000001Z WARNING diag.node: two\x1b[2J\nx [r-1]",
        "2027-01-15T08:00:00.000001Z AUDIT   diag.node: three [r-2]",
        "no JSON",
    ]
    assert printed(capsys, *at, "-n", "1") == everything[-1:]
    assert printed(capsys, *at, "-n", "0") == []
    assert printed(capsys, *at, "--level", "warning") == everything[1:3]
    assert printed(capsys, *at, "--level", "audit", "-n", "5") == everything[2:3]
    assert printed(capsys, *at, "--request", "r-1") == everything[1:2]
    assert printed(capsys, *at, "--json") == lines


def test_garbage_does_not_steer_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steering = json.loads(line("one"))
    steering["target"], steering["exception"] = "a\x1b]0;x\x07", "Traceback\n  \x1b[2Jline"
    garbage = "\x00\x1b[31mred\x9b"
    at = ("--dir", str(written(tmp_path, garbage, json.dumps(steering))))
    assert printed(capsys, *at) == [
        r"\x00\x1b[31mred\x9b",
        r"2027-01-15T08:00:00.000001Z INFO    a\x1b]0;x\x07: one",
        "Traceback",
        r"  \x1b[2Jline",
    ]
    assert printed(capsys, *at, "--json")[0] == garbage


def test_what_a_node_did_is_followed_with_the_request_s_id(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    flags = ("--log-dir", str(logs), "--log-level", "INFO", "--log-file-max-size", "1000")
    with NodeProcess(tmp_path / "node", flags=flags) as node:
        command = [
            sys.executable,
            "-m",
            "diag",
            "logs",
            "--dir",
            str(logs),
            "-n",
            "0",
            "-f",
            "--level",
            "audit",
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as following:
            assert following.stdout is not None
            url = f"http://{node.admin}/debug/pprof/threads"
            # The first of these may come before it follows; the log is rotated after a few each.
            ids = [*(f"night-{number}" for number in range(80)), "last"]
            seen: list[str] = []
            with httpx.Client() as http:
                for request_id in ids:
                    http.get(url, headers={"x-request-id": request_id})
            for text in following.stdout:
                found = re.search(r"\[([\w-]+)\]$", text)
                assert found is not None
                seen.append(found[1])
                assert "diag.audit: method=" in text
                if found[1] == "last":
                    break
            following.terminate()
            following.wait(10)
    assert seen == ids[-len(seen) :], "nothing is missing between the first and the last"
