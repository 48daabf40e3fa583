"""Answers that get lost on a real node: the write is there, and its client does not know."""

import asyncio
from pathlib import Path

import pytest

from diag.faults.answers import LostAnswers
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
