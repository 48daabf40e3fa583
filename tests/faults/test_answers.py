"""Answers that get lost on a real node: the write is there, and its client does not know."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from diag.faults.answers import KNOWN_SOCKET, SOCKET_BEHIND, LostAnswers, etcd_behind
from diag.faults.calls import Caller, CallFailed
from diag.perf.node_process import NodeProcess


def test_a_lost_answer_leaves_the_write(tmp_path: Path) -> None:
    with NodeProcess(tmp_path / "node") as node, LostAnswers(node.grpc) as answers:

        async def ask() -> None:
            caller = Caller(f"127.0.0.1:{answers.port}", deadline=5)
            assert await caller.increase("k") == 1
            assert answers.lost == 0
            answers.lose(1.0)
            with pytest.raises(CallFailed) as caught:
                await caller.increase("k")
            assert not caught.value.certain
            assert answers.lost == 1
            answers.lose(0)
            assert await caller.increase("k") == 3
            await caller.close()

        asyncio.run(ask())


def test_nobody_listens_behind_it() -> None:
    async def ask(port: int) -> None:
        caller = Caller(f"127.0.0.1:{port}", deadline=1)
        with pytest.raises(CallFailed) as caught:
            await caller.increase("k")
        assert caught.value.certain
        await caller.close()

    with LostAnswers("127.0.0.1:1") as answers:
        asyncio.run(ask(answers.port))


def test_between_two_sockets(tmp_path: Path) -> None:
    async def ask() -> bytes:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write((await reader.readline()).upper())
            await writer.drain()
            writer.close()

        server = await asyncio.start_unix_server(answer, tmp_path / "behind")
        reader, writer = await asyncio.open_unix_connection(tmp_path / "new" / "known")
        writer.write(b"word\n")
        said = await reader.read()
        writer.close()
        server.close()
        return said

    with LostAnswers(tmp_path / "behind", at=tmp_path / "new" / "known") as answers:
        assert asyncio.run(ask()) == b"WORD\n"
        answers.lose(1.0)
        assert asyncio.run(ask()) == b""
        assert answers.lost == 1


def test_etcd_is_run_one_socket_further(tmp_path: Path) -> None:
    program = etcd_behind(Path("/bin/echo"), tmp_path / "etcd")
    given = ["--name=a b", f"--listen-client-urls=unix:///tmp/n/{KNOWN_SOCKET}", f"--other={KNOWN_SOCKET}"]
    told = subprocess.run([program, *given], capture_output=True, text=True, check=True).stdout
    assert told == f"--name=a b --listen-client-urls=unix:///tmp/n/{SOCKET_BEHIND} --other={KNOWN_SOCKET}\n"
    assert subprocess.run([program], capture_output=True, text=True, check=True).stdout == "\n"
