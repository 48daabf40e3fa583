"""Nodes that serve TLS and ask for certificates, and what is told to who calls them otherwise."""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import trustme

from diag.cli import main
from diag.perf.node_process import NodeProcess, free_ports
from tests.bundle.opened import opened
from tests.polling import until

CONFIG = """
[admin]
client_ca = "{ca}"
client_roles = {{"ops@meta.example" = "admin"}}
"""


class Served(NamedTuple):
    """``ops`` is the client certificate with its key, ``other`` a PEM file without a certificate."""

    address: str
    ca: Path
    ops: Path
    other: Path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    directory = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    ca, cert, ops, other = (directory / name for name in ("ca.pem", "node.pem", "ops.pem", "key.pem"))
    authority.cert_pem.write_to_path(ca)
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(cert)
    issued.private_key_pem.write_to_path(other)
    authority.issue_cert("ops@meta.example").private_key_and_cert_chain_pem.write_to_path(ops)
    (directory / "node.toml").write_text(CONFIG.format(ca=ca))
    with AdminTls(directory / "node", cert, directory / "node.toml") as node:
        yield Served(node.admin, ca, ops, other)


class AdminTls(NodeProcess):
    """A node whose health is asked over TLS."""

    def __init__(self, directory: Path, cert: Path, config: Path) -> None:
        tls = ("--admin-tls-server-cert", str(cert), "--admin-tls-server-key", str(cert))
        super().__init__(directory, [*tls, "-c", str(config)])
        self._context = ssl.create_default_context(cafile=str(config.parent / "ca.pem"))

    def wait_until_healthy(self) -> None:
        """Within the time that a test has."""
        until(self._healthy)

    def _healthy(self) -> bool:
        self.check()
        try:
            return httpx.get(f"https://{self.admin}/v1/health", verify=self._context).is_success
        except httpx.TransportError:
            return False


def code_and_words(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str]:
    capsys.readouterr()
    code = main(list(argv))
    printed = capsys.readouterr()
    return code, printed.out + printed.err


def test_nothing_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    (port,) = free_ports(1)
    code, words = code_and_words(capsys, "status", "--endpoint", f"127.0.0.1:{port}")
    assert code == 1
    assert f"cannot reach http://127.0.0.1:{port}/v1/cluster/status" in words


@pytest.mark.parametrize("command", [("status",), ("doctor",)])
def test_who_does_not_name_the_authority_is_told_to(
    served: Served, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code, words = code_and_words(capsys, *command, "--endpoint", f"https://{served.address}")
    assert code == (3 if command == ("doctor",) else 2)
    assert "is not trusted" in words
    assert "name its authority with --ca" in words
    assert "does not answer" not in words


def test_http_where_tls_is_served_is_told(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    code, words = code_and_words(capsys, "status", "--endpoint", served.address)
    assert code == 1
    assert "if it serves TLS, name its authority with --ca" in words


def test_tls_where_http_is_served_is_told(
    node: NodeProcess, served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    code, words = code_and_words(capsys, "status", "--endpoint", node.admin, "--ca", str(served.ca))
    assert code == 2
    assert "does not speak TLS; give it as http://" in words


@pytest.mark.parametrize("option", ["--ca", "--cert"])
def test_a_file_without_a_certificate_is_named(
    served: Served, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ("--endpoint", f"https://{served.address}")
    code, words = code_and_words(capsys, "doctor", *at, option, str(served.other))
    assert code == 3
    assert f"{option} {served.other} cannot be used: it must hold a certificate in PEM" in words


@pytest.mark.parametrize("token", ["sec\nret", "sec\x00ret", "sécret"])
def test_a_token_that_is_no_header_is_refused_and_not_printed(
    node: NodeProcess, token: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, words = code_and_words(capsys, "doctor", "--endpoint", node.admin, "--token", token)
    assert code == 3
    assert "printable ASCII" in words
    assert "sec" not in words


def test_a_bundle_is_taken_with_a_client_s_certificate(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "bundle.tar.gz"
    who = ("--endpoint", f"https://{served.address}", "--ca", str(served.ca), "--cert", str(served.ops))
    quick = ("--no-profiles", "--duration", "1", "--interval", "1")
    code, words = code_and_words(capsys, "bundle", *who, "-o", str(target), *quick)
    assert code == 0
    assert "failed" not in words
    index = opened(target.read_bytes()).index
    assert not [item for item in index["items"] if item["state"] == "failed"]
