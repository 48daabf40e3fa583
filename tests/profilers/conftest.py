"""A running service that profiles itself, as a child process of the test."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LIMIT = 30.0


def weights(folded: str) -> Counter[str]:
    """Weight by stack."""
    found: Counter[str] = Counter()
    for line in folded.splitlines():
        stack, _, count = line.rpartition(" ")
        found[stack] += int(count)
    return found


def weight_of(folded: str, function: str) -> int:
    """Weight of the stacks through a function."""
    return sum(count for stack, count in weights(folded).items() if f"{function} (" in stack)


def shares(amounts: Mapping[str, float]) -> list[float]:
    """Percentages of work_a, work_b and work_c among themselves."""
    parts = [amounts[name] for name in ("work_a", "work_b", "work_c")]
    return [100 * part / sum(parts) for part in parts]


def work_shares(folded: str) -> list[float]:
    """The same of a profile."""
    return shares({name: weight_of(folded, name) for name in ("work_a", "work_b", "work_c")})


class Client:
    """Drives tests/profilers/service.py."""

    def __init__(self, options: tuple[str, ...], temp: Path) -> None:
        self.temp = temp
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("service.py")), *(f"--{name}" for name in options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(temp), "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
        )
        self._number = 0
        self._early: dict[int, dict[str, Any]] = {}
        self.pid: int = self._line()["ready"]

    def send(self, op: str, **request: object) -> int:
        """Start an operation; its number."""
        self._number += 1
        self._write({"id": self._number, "op": op, "request": request})
        return self._number

    def cancel(self, number: int) -> None:
        """Cancel the task that performs an operation."""
        self._write({"op": "cancel", "target": number})

    def result(self, number: int) -> dict[str, Any]:
        """Wait for the outcome of an operation."""
        while number not in self._early:
            message = self._line()
            self._early[message["id"]] = message
        return self._early.pop(number)

    def ask(self, op: str, **request: object) -> dict[str, Any]:
        """Perform an operation."""
        return self.result(self.send(op, **request))

    def children(self) -> list[str]:
        """Command names of the service's child processes, dead ones included."""
        return [name for _, name in self.child_pids()]

    def child_pids(self) -> list[tuple[int, str]]:
        """Pid and command name of the service's child processes."""
        found: list[tuple[int, str]] = []
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):  # a thread or a child that ended meanwhile
                pids = (task / "children").read_text().split()
                found += [(int(pid), Path(f"/proc/{pid}/comm").read_text().strip()) for pid in pids]
        return found

    def idle(self) -> bool:
        """Nobody profiles."""
        return self.ask("state")["holder"] is None

    def leftovers(self) -> list[str]:
        """Names of files in the service's directory for temporary ones."""
        return [path.name for path in self.temp.iterdir()]

    def stop(self) -> int:
        """End of input ends the service; its exit code."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            return self.process.wait(LIMIT)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()

    def _write(self, message: dict[str, object]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def _line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the service ended"
        message: dict[str, Any] = json.loads(line)
        return message


Start = Callable[..., Client]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts services with the options given; ends them after the test."""
    clients: list[Client] = []

    def go(*options: str) -> Client:
        temp = tmp_path / f"temp{len(clients)}"
        temp.mkdir()
        client = Client(options, temp)
        clients.append(client)
        return client

    yield go
    for client in clients:
        client.stop()
