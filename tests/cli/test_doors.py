"""``diag token`` and ``diag routes``, and a token in the hands of the other commands."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from diag.admin.roles import Role
from diag.admin.rules import RULES
from diag.admin.tokens import digest_of, read_tokens
from diag.cli import main
from diag.perf.node_process import NodeProcess


def made(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(["token", *argv]) == 0
    return capsys.readouterr().out.strip()


def test_a_token_is_printed_and_its_entry_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "--name", "ops"]) == 0
    printed = capsys.readouterr()
    (read,) = read_tokens(printed.err.partition("\n\n")[2])
    assert (read.name, read.role, read.expires) == ("ops", Role.READ, None)
    assert read.digest == digest_of(printed.out.strip())


def test_tokens_are_added_to_a_file_that_its_owner_alone_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tokens.toml"
    first = made(capsys, "--name", "a", "--role", "admin", "--file", str(file))
    second = made(capsys, "--name", "b", "--expires", "90d", "--file", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [token.digest for token in read_tokens(file.read_text())] == [digest_of(first), digest_of(second)]
    assert list(tmp_path.iterdir()) == [file]
    before = file.read_text()
    assert main(["token", "--name", "a", "--file", str(file)]) == 2
    assert "nothing was added" in capsys.readouterr().err
    file.write_text("x =")
    assert main(["token", "--name", "c", "--file", str(file)]) == 2
    assert (file.read_text(), before.count("[[token]]")) == ("x =", 2)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file away")
def test_a_token_added_leaves_the_file_to_whom_it_belongs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tokens.toml"
    file.touch(0o640)
    file.chmod(0o640)
    os.chown(file, 0, 4242)
    made(capsys, "--name", "a", "--file", str(file))
    status = file.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (0, 4242, 0o640)


@pytest.mark.parametrize("expires", ["0h", "99999999999d", "\u0661d"])
def test_the_limits_of_a_time_are_told(expires: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "--name", "a", "--expires", expires]) == 2
    assert "1 to 99999 and h, d or w" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv", [["--name", "a b"], ["--name", "a", "--expires", "soon"], ["--role", "read"]]
)
def test_what_makes_no_token_is_told(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", *argv]) == 2
    assert capsys.readouterr().err


def test_the_table_of_routes_is_that_of_the_guard(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["routes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(RULES)
    assert lines[0].split() == ["METHOD", "ROUTE", "ROLE", "AUDITED"]
    assert ["POST", "/v1/ctrl/leave", "admin", "yes"] in [line.split() for line in lines]


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[NodeProcess, dict[str, Path]]]:
    """A node with a tokens file, and files that hold a token each."""
    directory = tmp_path_factory.mktemp("closed")
    tokens = {}
    for role in ("read", "admin"):
        secret = directory / f"{role}.token"
        secret.write_text(f"mdt_{role}\n")
        tokens[role] = secret
    entries = [
        f'[[token]]\nname = "{role}"\nrole = "{role}"\nhash = "sha256:{digest_of(f"mdt_{role}")}"\n'
        for role in tokens
    ]
    (directory / "tokens.toml").write_text("".join(entries))
    flags = ("--admin-tokens-file", str(directory / "tokens.toml"))
    with NodeProcess(directory / "node", flags=flags) as node:
        yield node, tokens


def test_the_commands_carry_a_token(
    closed: tuple[NodeProcess, dict[str, Path]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node, tokens = closed
    at = ["--endpoint", node.admin]
    assert main(["status", *at]) == 1
    assert "401 This needs a token" in capsys.readouterr().err
    assert main(["status", *at, "--token-file", str(tokens["read"])]) == 0
    assert main(["snapshot", *at, "--token-file", str(tokens["read"])]) == 1
    assert "needs the role admin; read has the role read" in capsys.readouterr().err
    assert main(["snapshot", *at, "--token", "mdt_admin"]) == 0
    monkeypatch.setenv("METADIAG_TOKEN", "mdt_read")
    assert main(["status", *at]) == 0
    assert main(["snapshot", *at]) == 1
    monkeypatch.setenv("METADIAG_TOKEN_FILE", str(tokens["admin"]))
    assert main(["snapshot", *at]) == 0
    assert main(["snapshot", *at, "--token", "mdt_read"]) == 1
    assert main(["status", *at, "--token-file", "/no/such/file"]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_probes_need_no_token(closed: tuple[NodeProcess, dict[str, Path]]) -> None:
    node, _ = closed
    for path in ("/v1/health", "/livez", "/readyz"):
        assert httpx.get(f"http://{node.admin}{path}").status_code == 200
    assert httpx.get(f"http://{node.admin}/v1/metrics").status_code == 401


def test_a_password_goes_with_the_commands_of_the_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "databend-meta.toml"
    config.write_text('[auth]\ngrpc_password = "planted"\n')
    with NodeProcess(tmp_path / "node", flags=("-c", str(config))) as node:
        at = ["--endpoint", node.grpc]
        assert main(["kv", "put", *at, "k", "v"]) == 1
        assert "UNAUTHENTICATED: the password of root is another" in capsys.readouterr().err
        assert main(["kv", "put", *at, "--password", "planted", "k", "v"]) == 0
        monkeypatch.setenv("META_PASSWORD", "planted")
        assert main(["kv", "get", *at, "k"]) == 0
        assert main(["export", *at, "--db", str(tmp_path / "dump")]) == 0
        shown = httpx.get(f"http://{node.admin}/v1/config").text
        assert 'grpc_password = "***"' in shown
        assert "planted" not in shown
