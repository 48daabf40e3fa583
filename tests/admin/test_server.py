import signal
import socket
import ssl
from pathlib import Path

import httpx
import pytest
import trustme
from fastapi import FastAPI

from diag.admin.server import AdminServer
from diag.errors import ConfigError

pytestmark = pytest.mark.anyio


def app() -> FastAPI:
    site = FastAPI()

    @site.get("/")
    async def root() -> str:
        return "here"

    return site


async def test_it_serves_on_the_port_it_returns_and_stops() -> None:
    server = AdminServer(app(), "127.0.0.1", 0)
    port = await server.start()
    async with httpx.AsyncClient() as http:
        response = await http.get(f"http://127.0.0.1:{port}/")
    assert response.json() == "here"
    assert response.headers["server"] == "uvicorn"
    await server.stop()
    await server.stop()
    async with httpx.AsyncClient() as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(f"http://127.0.0.1:{port}/")


async def test_signal_handlers_stay_as_they_are() -> None:
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    server = AdminServer(app(), "127.0.0.1", 0)
    await server.start()
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before
    await server.stop()


async def test_a_taken_port_is_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port} cannot be used: Address already in use"):
            await AdminServer(app(), "127.0.0.1", port).start()


async def test_an_address_of_another_machine_is_a_sentence() -> None:
    with pytest.raises(ConfigError, match=r"192\.0\.2\.1:0 cannot be used"):
        await AdminServer(app(), "192.0.2.1", 0).start()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str, trustme.CA]:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    for part in issued.cert_chain_pems:
        part.write_to_path(cert, append=True)
    issued.private_key_pem.write_to_path(key)
    return str(cert), str(key), authority


async def test_tls_by_certificate_and_key(certificate: tuple[str, str, trustme.CA]) -> None:
    cert, key, authority = certificate
    server = AdminServer(app(), "127.0.0.1", 0, cert=cert, key=key)
    port = await server.start()
    context = ssl.create_default_context()
    authority.configure_trust(context)
    async with httpx.AsyncClient(verify=context) as http:
        assert (await http.get(f"https://localhost:{port}/")).json() == "here"
    await server.stop()


async def test_one_tls_file_without_the_other_is_refused(certificate: tuple[str, str, trustme.CA]) -> None:
    with pytest.raises(ConfigError, match="go together"):
        await AdminServer(app(), "127.0.0.1", 0, cert=certificate[0]).start()


async def test_missing_or_wrong_tls_files_are_refused(certificate: tuple[str, str, trustme.CA]) -> None:
    cert, key, _ = certificate
    with pytest.raises(ConfigError, match="does not exist"):
        await AdminServer(app(), "127.0.0.1", 0, cert=cert, key=f"{key}.absent").start()
    with pytest.raises(ConfigError, match="cannot be used"):
        await AdminServer(app(), "127.0.0.1", 0, cert=key, key=cert).start()
