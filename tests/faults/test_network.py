"""Links that are cut both ways, one way, slowed and healed; datagrams tell what passes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from diag.faults.network import Network, refusal, sweep
from tests.polling import until

pytestmark = pytest.mark.skipif(bool(reason := refusal()), reason=reason or "networks can be made")

_PORT = 7000
_HEAR = """
import socket, sys
ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
ear.bind((sys.argv[1], int(sys.argv[2])))
print("ready", flush=True)
while True:
    print(ear.recv(65536)[:20].decode(), flush=True)
"""
_SAY = """
import socket, sys
mouth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
mouth.sendto(sys.argv[3].encode(), (sys.argv[1], int(sys.argv[2])))
"""


class Ears:
    """What every node heard, in files."""

    def __init__(self, network: Network, directory: Path) -> None:
        self._network = network
        self._files = {node: directory / node for node in network.nodes}
        self._processes = [self._listen(node) for node in network.nodes]
        until(lambda: all(self.heard(node) for node in network.nodes))

    def _listen(self, node: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", _HEAR, self._network.address(node), str(_PORT)]
        with self._files[node].open("wb") as output:
            return subprocess.Popen([*self._network.command(node), *command], stdout=output)

    def heard(self, node: str) -> list[str]:
        return self._files[node].read_text().split()

    def passes(self, source: str, target: str) -> bool:
        """Whether a datagram comes through; a later one by another way shows that it would have by now."""
        word = f"{source}-{target}-{time.monotonic_ns()}"
        for _ in range(3):
            self._say(source, target, word)
        sure = f"sure-{time.monotonic_ns()}"
        subprocess.run(
            [sys.executable, "-c", _SAY, self._network.address(target), str(_PORT), sure], check=True
        )
        until(lambda: sure in self.heard(target))
        return word in self.heard(target)

    def _say(self, source: str, target: str, word: str) -> None:
        command = [sys.executable, "-c", _SAY, self._network.address(target), str(_PORT), word]
        subprocess.run([*self._network.command(source), *command], check=True)

    def end(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()


@pytest.fixture
def network() -> Iterator[Network]:
    with Network(["a", "b", "c"]) as network:
        yield network


@pytest.fixture
def ears(network: Network, tmp_path: Path) -> Iterator[Ears]:
    ears = Ears(network, tmp_path)
    yield ears
    ears.end()


def test_cut_one_way_and_both_ways_and_heal(network: Network, ears: Ears) -> None:
    assert ears.passes("a", "b")
    assert ears.passes("b", "a")
    network.cut("a", "b")
    network.cut("a", "b")
    assert not ears.passes("a", "b")
    assert ears.passes("b", "a")
    assert ears.passes("a", "c")
    network.part("a", "b")
    assert not ears.passes("b", "a")
    network.heal()
    assert ears.passes("a", "b")
    assert ears.passes("b", "a")


def test_an_isolated_node_still_has_its_clients(network: Network, ears: Ears) -> None:
    network.isolate("c")
    for other in ("a", "b"):
        assert not ears.passes("c", other)
        assert not ears.passes(other, "c")
    assert ears.passes("a", "b")


def test_slow_is_late_but_not_lost(network: Network, ears: Ears) -> None:
    network.slow("b", kilobits=200)
    started = time.monotonic()
    say = "import socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
    target = (network.address("b"), _PORT)
    say += f"for number in range(20): s.sendto(f'{{number:0<1000}}'.encode(), {target!r})"
    subprocess.run([*network.command("a"), sys.executable, "-c", say], check=True)
    until(lambda: len(ears.heard("b")) == 1 + 20)
    # 20 kB over 25 kB/s, but for what the bucket held at the start.
    assert time.monotonic() - started > 0.4
    network.heal()
    network.heal()
    assert ears.passes("a", "b")


def test_what_a_killed_harness_left_is_swept() -> None:
    left = (
        "import os; from diag.faults.network import Network\n"
        "network = Network(['a']); network.__enter__()\n"
        "print(network.namespace('a'), flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", left], capture_output=True, text=True, timeout=30)
    namespace = Path("/run/netns") / done.stdout.strip()
    assert namespace.exists()
    sweep()
    assert not namespace.exists()


def test_nothing_stays_behind() -> None:
    with Network(["a", "b"]) as network:
        names = [network.namespace("a"), network.namespace("b")]
    assert not any((Path("/run/netns") / name).exists() for name in names)
    assert str(os.getpid()) not in subprocess.run(["ip", "link"], capture_output=True, text=True).stdout
