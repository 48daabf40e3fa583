"""A node as its operator meets it: what start refuses, and what stop leaves."""

import asyncio
import json
import os
import socket
import ssl
import stat
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from fastapi import FastAPI

from diag.admin.checks import MAX_LAG_SECONDS
from diag.cli import main
from diag.config import Config, load_config
from diag.errors import (
    ConfigError,
    DirectoryInUse,
    MetaError,
    NewerFormat,
    OtherNode,
    StoreError,
    Unavailable,
)
from diag.kv.directory import DATA_DIR
from diag.kv.store import Store
from diag.node import Node
from diag.perf.node_process import NodeProcess
from diag.rpc.client import MetaClient
from diag.wiring.admin import admin_app


def config(directory: Path, **flags: object) -> Config:
    return load_config(
        None,
        {
            "raft_config.single": True,
            "raft_config.raft_dir": str(directory),
            "admin_api_address": "127.0.0.1:0",
            "grpc_api_address": "127.0.0.1:0",
            **flags,
        },
        {},
    )


def started(settings: Config) -> None:
    async def run() -> None:
        node = Node(settings)
        await node.start()
        await node.stop()

    asyncio.run(run())


def test_an_empty_directory_becomes_a_node_that_starts_again(tmp_path: Path) -> None:
    started(config(tmp_path / "raft"))
    started(config(tmp_path / "raft"))
    with Store.open(tmp_path / "raft" / DATA_DIR, readonly=True) as store, store.read() as txn:
        assert txn.applied().term == 2, "each start is a term of its own"


def test_a_start_that_held_the_loop_leaves_a_node_that_is_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*parts: Any) -> FastAPI:
        """As on a machine with much else to do."""
        time.sleep(MAX_LAG_SECONDS + 0.5)
        return admin_app(*parts)

    async def run() -> str:
        node = Node(config(tmp_path / "raft"))
        await node.start()
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.get(f"http://{node.admin_address}/readyz?verbose")
        await node.stop()
        return answer.text

    monkeypatch.setattr("diag.node.admin_app", slow)
    assert "[+]loop_lag ok" in asyncio.run(run())


def test_a_taken_port_is_a_sentence_and_leaves_nothing_locked(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(MetaError, match=address.replace(".", r"\.")):
            started(config(tmp_path / "raft", admin_api_address=address))
        with pytest.raises(MetaError, match=address.replace(".", r"\.")):
            started(config(tmp_path / "raft", grpc_api_address=address))
    started(config(tmp_path / "raft"))


def test_a_directory_in_use_is_refused(tmp_path: Path) -> None:
    with NodeProcess(tmp_path), pytest.raises(DirectoryInUse, match="is in use by another process"):
        started(config(tmp_path / "raft"))


def test_a_directory_of_another_node_is_refused_and_not_overwritten(tmp_path: Path) -> None:
    started(config(tmp_path / "raft"))
    data = tmp_path / "raft" / "store" / "data.mdb"
    before = data.read_bytes()
    with pytest.raises(OtherNode, match="belongs to node 0, and this is node 5"):
        started(config(tmp_path / "raft", **{"raft_config.id": "5"}))
    assert data.read_bytes() == before
    started(config(tmp_path / "raft"))


def test_a_node_starts_from_what_an_import_that_was_cut_short_was_to_replace(tmp_path: Path) -> None:
    started(config(tmp_path))
    cut_short = tmp_path / ".importing-1"
    Store.open(cut_short / "store").close()
    (tmp_path / DATA_DIR).replace(cut_short / "replaced")
    started(config(tmp_path))
    assert not cut_short.exists()
    with Store.open(tmp_path / DATA_DIR, readonly=True) as store, store.read() as txn:
        assert txn.applied().term == 2


def test_a_newer_format_is_refused_and_not_overwritten(tmp_path: Path) -> None:
    started(config(tmp_path / "raft"))
    marker = tmp_path / "raft" / "store" / "FORMAT"
    newer = marker.read_text().replace(str(json.loads(marker.read_text())["version"]), "999")
    marker.write_text(newer)
    with pytest.raises(NewerFormat, match="999"):
        started(config(tmp_path / "raft"))
    assert marker.read_text() == newer


def test_a_damaged_store_is_refused_and_not_overwritten(tmp_path: Path) -> None:
    started(config(tmp_path / "raft"))
    data = tmp_path / "raft" / "store" / "data.mdb"
    data.write_bytes(b"not a store" * 1000)
    with pytest.raises(StoreError):
        started(config(tmp_path / "raft"))
    assert data.read_bytes().startswith(b"not a store")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_directory_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(StoreError):
        started(config(tmp_path / "raft"))


def test_tls_serves_both_ports(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    cert, key, root = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "ca.pem"
    cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    root.write_bytes(authority.cert_pem.bytes())
    pairs = {
        f"{role}_tls_server_{part}": str(tmp_path / f"{part}.pem")
        for role in ("admin", "grpc")
        for part in ("cert", "key")
    }

    async def run() -> None:
        node = Node(config(tmp_path / "raft", **pairs))
        await node.start()
        try:
            async with MetaClient(
                [node.grpc_address], tls_ca=root.read_bytes(), tls_domain="localhost"
            ) as client:
                await client.put("k", b"v")
            async with httpx.AsyncClient(verify=ssl.create_default_context(cafile=str(root))) as http:
                assert (await http.get(f"https://{node.admin_address}/v1/health")).json() == {
                    "status": "pass"
                }
            ca = ["--ca", str(root)]
            at = ["--endpoint", node.grpc_address, *ca]
            assert await asyncio.to_thread(main, ["kv", "get", *at, "k"]) == 0
            assert await asyncio.to_thread(main, ["status", "--endpoint", node.admin_address, *ca]) == 0
        finally:
            await node.stop()

    asyncio.run(run())


def test_a_certificate_that_is_none_is_a_sentence(tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate")
    for role in ("admin", "grpc"):
        flags = {f"{role}_tls_server_cert": str(junk), f"{role}_tls_server_key": str(junk)}
        with pytest.raises((ConfigError, Unavailable)):
            started(config(tmp_path / f"raft-{role}", **flags))


def test_an_admin_address_that_others_reach_is_refused_without_keys(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing says who may come in"):
        started(config(tmp_path / "raft", admin_api_address="0.0.0.0:0"))
    assert not (tmp_path / "raft").exists()
    started(config(tmp_path / "raft", admin_api_address="0.0.0.0:0", **{"admin.without_keys": True}))


def test_a_tokens_file_that_cannot_be_used_is_refused_at_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the tokens file .*none\.toml cannot be used: No such file"):
        started(config(tmp_path / "raft", **{"admin.tokens_file": str(tmp_path / "none.toml")}))
