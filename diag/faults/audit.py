"""Reading a node's whole promise back: what is lost, what was applied twice, and what nobody asked for."""

from typing import NamedTuple

from diag.faults.clients import COUNTERS, PUTS, Ledger
from diag.rpc.client import MetaClient


class Audit(NamedTuple):
    """Keys, sorted. ``strange`` hold what no client wrote there, or are of no client."""

    lost: list[str]
    twice: list[str]
    strange: list[str]


async def audit(endpoint: str, prefix: str, ledger: Ledger) -> Audit:
    """Compare what a node holds below ``prefix`` with the ledger. Raises grpc.aio.AioRpcError."""
    stored: dict[str, str] = {}
    async with MetaClient([endpoint]) as client:
        for part in (COUNTERS, PUTS):
            async for key, record in client.list(f"{prefix}/{part}/"):
                stored[key] = record.data.decode("utf-8", "backslashreplace")
    return compare(stored, ledger)


def compare(stored: dict[str, str], ledger: Ledger) -> Audit:
    """The same for what was read; an unknown write may be there or not, but once."""
    asked = ledger.unknown | ledger.acked
    counters = {key for key in stored if f"/{COUNTERS}/" in key}
    twice = {key for key in counters if stored[key].isdigit() and int(stored[key]) > 1}
    strange = {key for key in stored if key not in twice and stored[key] != asked.get(key)}
    return Audit(sorted(ledger.acked.keys() - stored.keys()), sorted(twice), sorted(strange))
