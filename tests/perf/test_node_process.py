"""A node as a child process."""

import socket
from pathlib import Path

import httpx
import pytest

from diag.errors import Unavailable
from diag.perf.node_process import NodeProcess, free_ports


def healthy(node: NodeProcess) -> bool:
    return httpx.get(f"http://{node.admin}/v1/health").status_code == 200


def test_no_ports_asked_for() -> None:
    assert free_ports(0) == []


def test_ports_differ_and_are_free() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    for port in ports:
        socket.create_server(("127.0.0.1", port)).close()


def test_ports_are_none_that_a_connection_may_be_given() -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(port < first for port in free_ports(50))


def test_it_is_healthy_inside_and_gone_outside(tmp_path: Path) -> None:
    with NodeProcess(tmp_path / "node") as node:
        assert healthy(node)
        node.check()
    with pytest.raises(httpx.TransportError):
        healthy(node)


def test_addresses_outlive_a_stop_and_a_kill(tmp_path: Path) -> None:
    with NodeProcess(tmp_path / "node") as node:
        addresses = node.grpc, node.admin
        assert node.stop() == 0
        assert node.start() > 0
        node.kill()
        node.start()
        assert (node.grpc, node.admin) == addresses
        assert healthy(node)


def test_an_early_end_is_told_with_the_nodes_words(tmp_path: Path) -> None:
    with (
        pytest.raises(Unavailable, match=r"ended with status 2(.|\n)*--no-such-flag"),
        NodeProcess(tmp_path / "node", ["--no-such-flag", "1"]),
    ):
        pass
