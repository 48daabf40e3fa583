"""Clients on a real node: what they write down, and which failures they take for certain."""

import asyncio
import time
from pathlib import Path

import pytest

from diag.faults.audit import audit
from diag.faults.calls import Caller, CallFailed
from diag.faults.clients import Clients, Ledger
from diag.faults.history import History, Kind, Outcome, Seen
from diag.faults.linear import Verdict, check, check_seqs
from diag.faults.processes import freeze, thaw
from diag.perf.node_process import NodeProcess, free_ports
from tests.polling import until_async


def test_the_longest_gap_counts_the_borders() -> None:
    assert Ledger().longest_gap(2.0, 5.0) == 3.0
    assert Ledger(ack_times=[1.0, 2.5, 3.0, 9.0]).longest_gap(2.0, 5.0) == 2.0


def test_the_first_call_of_a_dead_node_is_a_certain_failure() -> None:
    async def ask() -> None:
        (port,) = free_ports(1)
        caller = Caller(f"127.0.0.1:{port}", deadline=1)
        with pytest.raises(CallFailed, match="UNAVAILABLE") as caught:
            await caller.increase("k")
        assert caught.value.certain
        await caller.close()

    asyncio.run(ask())


def test_a_write_without_an_answer_is_unknown_and_may_land(tmp_path: Path) -> None:
    with NodeProcess(tmp_path / "node") as node:

        async def ask() -> None:
            caller = Caller(node.grpc, deadline=0.5)
            assert await caller.increase("k") == 1
            freeze(node.pid)
            try:
                with pytest.raises(CallFailed, match="DEADLINE_EXCEEDED") as write:
                    await caller.increase("k")
            finally:
                thaw(node.pid)
            assert not write.value.certain
            found = await caller.get("k")
            assert found is not None
            assert found.value in ("1", "2")
            await caller.close()

        asyncio.run(ask())


def test_answers_show_what_was_in_place(tmp_path: Path) -> None:
    with NodeProcess(tmp_path / "node") as node:

        async def ask() -> None:
            caller = Caller(node.grpc, deadline=5)
            assert await caller.get("k") is None
            assert await caller.put("k", "a") == (None, Seen("a", 1))
            assert await caller.put("k", "b", expected=9) == (Seen("a", 1), Seen("a", 1))
            assert await caller.put("k", "b", expected=1) == (Seen("a", 1), Seen("b", 2))
            assert await caller.delete("k", expected=1) == (False, Seen("b", 2))
            assert await caller.delete("k", expected=2) == (True, Seen("b", 2))
            assert await caller.delete("k") == (False, None)
            # The refusal of a long key has the status of a full disk, which a write may have met anywhere.
            with pytest.raises(CallFailed, match="RESOURCE_EXHAUSTED") as caught:
                await caller.put("k" * 5000, "too long a key")
            assert not caught.value.certain
            await caller.close()

        asyncio.run(ask())


def test_work_on_a_node_that_is_well_is_explained_and_kept(tmp_path: Path) -> None:
    with NodeProcess(tmp_path / "node") as node, History() as history:

        async def work() -> Ledger:
            # One node under two names: reads go to "another" one.
            nodes = {"a": node.grpc, "b": node.grpc}
            async with Clients(nodes, history, prefix="t", count=4) as clients:
                await until_async(lambda: len(clients.ledger.ack_times) > 300)
            found = await audit(node.grpc, "t", clients.ledger)
            assert found == ([], [], [])
            return clients.ledger

        ledger = asyncio.run(work())
    assert (ledger.unknown, ledger.failed, ledger.stale) == ({}, 0, [])
    operations = history.operations()
    assert {each.kind for each in operations} == set(Kind)
    assert {each.outcome for each in operations} == {Outcome.OK}
    assert {each.applied for each in operations} == {True, False}
    assert check(operations).verdict is Verdict.OK
    assert check_seqs(operations).verdict is Verdict.OK
    assert all(each <= time.monotonic() for each in ledger.ack_times)
