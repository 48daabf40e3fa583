"""Certificates and the secret between the nodes of a cluster: right ones, and those that are refused."""

import asyncio
import datetime
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from diag.rpc.client import MetaClient
from tests.e2e.cluster import BRIEFLY, Cluster, names, put, refusal, values

#: Several processes to start, on a machine that may be busy.
pytestmark = [pytest.mark.long, pytest.mark.usefixtures("etcd"), pytest.mark.timeout(300)]


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class Certificates:
    """Peers' certificates of one authority."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True)
        self._directory = directory
        self._ca = trustme.CA()
        self._ca.cert_pem.write_to_path(str(directory / "ca.pem"))

    @property
    def ca(self) -> Path:
        return self._directory / "ca.pem"

    def flags(self, name: str, until: datetime.datetime | None = None) -> list[str]:
        cert, key = self.issue(name, until)
        return ["--etcd-peer-cert", cert, "--etcd-peer-key", key, "--etcd-peer-ca", str(self.ca)]

    def server(self, name: str) -> list[str]:
        cert, key = self.issue(f"{name}-server")
        flags = ["--grpc-tls-server-cert", cert, "--grpc-tls-server-key", key]
        return [*flags, "--raft-tls-client-root-ca-cert", str(self.ca)]

    def issue(self, name: str, until: datetime.datetime | None = None) -> tuple[str, str]:
        begin = None if until is None else until - datetime.timedelta(days=1)
        issued = self._ca.issue_cert("127.0.0.1", "localhost", not_before=begin, not_after=until)
        cert, key = self._directory / f"{name}.pem", self._directory / f"{name}.key"
        cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(str(key))
        return str(cert), str(key)


def expired(known: Certificates, other: Certificates) -> list[str]:
    return known.flags("expired", now() - datetime.timedelta(days=1))


def foreign(known: Certificates, other: Certificates) -> list[str]:
    return other.flags("foreign")


def plain(known: Certificates, other: Certificates) -> list[str]:
    return []


@pytest.mark.parametrize("wrong", [expired, foreign, plain])
def test_certificates_of_peers(
    tmp_path: Path, scratch: Path, wrong: Callable[[Certificates, Certificates], list[str]]
) -> None:
    known, other = Certificates(tmp_path / "known"), Certificates(tmp_path / "other")
    cluster = Cluster(tmp_path, scratch)
    try:
        cluster.add(1, *known.flags("one"))
        cluster.start(1)
        said = refusal(cluster.add(2, *BRIEFLY, *wrong(known, other)))
        assert "let this one join within 3 s" in said
        if wrong is not plain:
            assert "certificate" in said
        assert names(cluster) == ["1"]
        cluster.add(2, *known.flags("two"))
        cluster.start(2)
        put(cluster.nodes[2], "k", b"1")
        assert values(cluster.nodes[1], "k") == {"k": b"1"}
    finally:
        cluster.stop()


def test_nodes_with_certificates_and_a_secret(tmp_path: Path, scratch: Path) -> None:
    known, other = Certificates(tmp_path / "known"), Certificates(tmp_path / "other")
    secret = ["--raft-secret", "open sesame"]
    cluster = Cluster(tmp_path, scratch)

    async def work() -> bytes:
        ca = known.ca.read_bytes()
        async with (
            MetaClient([cluster.nodes[2].grpc], tls_ca=ca) as writing,
            MetaClient([cluster.nodes[1].grpc], tls_ca=ca) as reading,
        ):
            await writing.put("k", b"1")
            found = await reading.get("k")
            assert found is not None
            return found.data

    try:
        cluster.add(1, *known.flags("one"), *known.server("one"), *secret)
        cluster.start(1)
        for node_id, wrong in (
            (3, [*known.server("three"), "--raft-secret", "wrong"]),
            (4, known.server("four")),
            (5, [*other.server("five"), *secret]),
        ):
            said = refusal(cluster.add(node_id, *known.flags(str(node_id)), *BRIEFLY, *wrong))
            assert "secret" in said or "certificate" in said.lower(), said
            assert names(cluster) == ["1"]
        cluster.add(2, *known.flags("two"), *known.server("two"), *secret)
        cluster.start(2)
        assert asyncio.run(work()) == b"1"
    finally:
        cluster.stop()
