"""Client certificates over real TLS: who has which role, who has none, and who is not let in at all."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trustme

from diag.admin.guard import Guard
from diag.admin.roles import Role
from diag.admin.server import AdminServer
from diag.cli import main
from diag.config import load_config
from diag.errors import ConfigError
from tests.admin.served import serving

pytestmark = pytest.mark.anyio

ROLES = {"ops@meta.example": Role.ADMIN, "grafana": Role.READ, "spiffe://meta/ops": Role.PROFILE}
LISTING, THREADS, SNAPSHOT = "/debug/profiles", "/debug/pprof/threads", "/v1/ctrl/trigger_snapshot"


class Files:
    """Two authorities, and what they signed, as PEM files."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.authority, self.stranger = trustme.CA(), trustme.CA()
        self.ca = self._written("ca.pem", self.authority.cert_pem.bytes())
        server = self.authority.issue_cert("localhost", "127.0.0.1")
        self.cert = self._written("server.pem", b"".join(blob.bytes() for blob in server.cert_chain_pems))
        self.key = self._written("server.key", server.private_key_pem.bytes())

    def client(self, *names: str, common: str | None = None, by: trustme.CA | None = None) -> Path:
        """A client's certificate and key in one file."""
        made = (by or self.authority).issue_cert(*names, common_name=common)
        file = f"client-{len(list(self.directory.iterdir()))}.pem"
        return self._written(file, made.private_key_and_cert_chain_pem.bytes())

    def _written(self, name: str, content: bytes) -> Path:
        path = self.directory / name
        path.write_bytes(content)
        return path


@pytest.fixture
def files(tmp_path: Path) -> Files:
    (tmp_path / "pem").mkdir()
    return Files(tmp_path / "pem")


@pytest.fixture
async def port(tmp_path: Path, files: Files) -> AsyncIterator[int]:
    async with serving(tmp_path, guard=Guard(certificates=ROLES)) as node:
        tls = {"cert": str(files.cert), "key": str(files.key), "client_ca": str(files.ca)}
        server = AdminServer(node.app, "127.0.0.1", 0, **tls)  # type: ignore[arg-type]
        yield await server.start()
        await server.stop()


@asynccontextmanager
async def client(files: Files, port: int, cert: Path | None) -> AsyncIterator[httpx.AsyncClient]:
    context = ssl.create_default_context(cafile=str(files.ca))
    if cert is not None:
        context.load_cert_chain(cert)
    async with httpx.AsyncClient(base_url=f"https://127.0.0.1:{port}", verify=context) as http:
        yield http


async def test_without_a_certificate_nothing_but_health_is_open(files: Files, port: int) -> None:
    async with client(files, port, None) as http:
        assert (await http.get("/livez")).status_code == 200
        assert (await http.get("/v1/metrics")).status_code == 401
        assert (await http.get(LISTING)).status_code == 401


async def test_a_name_of_the_certificate_has_its_role(files: Files, port: int) -> None:
    reader = files.client("grafana")
    async with client(files, port, reader) as http:
        told = (await http.get("/v1/whoami")).json()
        assert told == {"name": "grafana", "role": "read", "how": "certificate"}
        assert (await http.get(LISTING)).status_code == 200
        refused = await http.get(THREADS)
        assert (refused.status_code, "grafana has the role read" in refused.text) == (403, True)
    async with client(files, port, files.client("grafana", "ops@meta.example")) as http:
        assert (await http.get("/v1/whoami")).json()["role"] == "admin", "the highest of several"
    async with client(files, port, files.client("other.example", common="grafana")) as http:
        assert (await http.get("/v1/whoami")).json()["role"] == "read", "the subject's common name counts"


async def test_an_unknown_name_has_no_role_and_a_stranger_no_connection(files: Files, port: int) -> None:
    async with client(files, port, files.client("nobody.example")) as http:
        assert (await http.get(LISTING)).status_code == 401
    async with client(files, port, files.client("ops@meta.example", by=files.stranger)) as http:
        with pytest.raises(httpx.TransportError):
            await http.get("/livez")


async def test_a_page_of_others_does_not_act_with_a_browser_s_certificate(files: Files, port: int) -> None:
    async with client(files, port, files.client("ops@meta.example")) as http:
        for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}):
            for path in (THREADS, SNAPSHOT):
                assert (await http.get(path, headers=headers)).status_code == 403
        own = {"origin": f"https://127.0.0.1:{port}", "sec-fetch-site": "same-origin"}
        assert (await http.get(THREADS, headers=own)).status_code == 200
        assert (await http.get(THREADS)).status_code == 200, "a program sends none of these headers"


async def test_the_commands_show_a_certificate(
    files: Files, port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ["status", "--endpoint", f"127.0.0.1:{port}", "--ca", str(files.ca)]
    assert await asyncio.to_thread(main, at) == 1
    assert "401" in capsys.readouterr().err
    assert await asyncio.to_thread(main, [*at, "--cert", str(files.client("grafana"))]) == 0


def test_what_a_configuration_lacks_is_named(files: Files) -> None:
    single: dict[str, object] = {"raft_config.single": True}
    tls = {"admin_tls_server_cert": str(files.cert), "admin_tls_server_key": str(files.key)}
    roles = {"admin.client_roles": {"grafana": "read"}}
    with pytest.raises(ConfigError, match=r"client_ca and admin\.client_roles go together"):
        load_config(None, single | {"admin.client_ca": str(files.ca)} | tls, {})
    with pytest.raises(ConfigError, match=r"client_ca needs TLS"):
        load_config(None, single | {"admin.client_ca": str(files.ca)} | roles, {})
    with pytest.raises(ConfigError, match=r"there is no file none\.pem"):
        load_config(None, single | {"admin.client_ca": "none.pem"} | roles | tls, {})
    with pytest.raises(ConfigError, match=r"client_roles\.grafana = 'root' cannot be used"):
        load_config(None, single | {"admin.client_roles": {"grafana": "root"}}, {})
