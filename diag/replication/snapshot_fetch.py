"""A snapshot from another node, for one whose log no longer reaches back to where it stands."""

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

from diag.errors import Damaged, MetaError, NoSpace, Unavailable
from diag.kv.arrival import Arrival, SnapshotOffer
from diag.kv.snapshot import SnapshotInfo, SnapshotStore
from diag.replication.peer_client import PeerClient

_log = logging.getLogger(__name__)


async def fetch_snapshot(
    peers: Sequence[PeerClient], snapshots: SnapshotStore, node_id: int | None, *, at_least: int = 0
) -> SnapshotInfo:
    """Fetch the newest snapshot that a peer holds, of index ``at_least`` or later, for node ``node_id``.

    One that was begun before is gone on with while it is the newest or, where ``at_least`` is given, late
    enough. Whatever fails at one peer is tried at the next. Raises Unavailable with every peer's reason, and
    keeps what came; NoSpace, and keeps nothing. One fetch at a time, and none while
    ``SnapshotStore.create`` is at work.
    """
    offers, reasons = await _offers(peers)
    wanted = [(peer, offer) for peer, offer in offers if offer.index >= at_least]
    newest_first = sorted(wanted, key=lambda pair: pair[1].position, reverse=True)
    begun = await asyncio.to_thread(_begun, snapshots, [offer for _, offer in newest_first])
    for peer, offer in _in_order(newest_first, begun, any_will_do=at_least > 0):
        try:
            info = await _fetch_checked(peer, offer, snapshots, node_id)
        except NoSpace:
            raise
        except MetaError as failure:
            _log.warning("snapshot %s was not fetched from %s: %s", offer.position, peer.name, failure)
            reasons.append(f"{peer.name}: {failure}")
        else:
            _log.info("fetched snapshot %s of %d bytes from %s", offer.position, info.size, peer.name)
            return info
    raise Unavailable(
        f"no snapshot of index {at_least} or later could be fetched; it is tried again. "
        f"The {len(peers)} other nodes asked say: {'; '.join(reasons) or 'they hold none'}"
    )


def _in_order(
    newest_first: Sequence[tuple[PeerClient, SnapshotOffer]], begun: set[str], *, any_will_do: bool
) -> list[tuple[PeerClient, SnapshotOffer]]:
    """What was begun before what was not; of a later position before both, where an older may be too old."""
    newest = newest_first[0][1].position if newest_first else None

    def rank(pair: tuple[PeerClient, SnapshotOffer]) -> tuple[bool, bool]:
        offer = pair[1]
        return not (any_will_do or offer.position == newest), offer.file_hash not in begun

    return sorted(newest_first, key=rank)


async def _offers(peers: Sequence[PeerClient]) -> tuple[list[tuple[PeerClient, SnapshotOffer]], list[str]]:
    answers = await asyncio.gather(*(peer.snapshots() for peer in peers), return_exceptions=True)
    offers, reasons = [], []
    for peer, answer in zip(peers, answers, strict=True):
        if isinstance(answer, MetaError):
            reasons.append(f"{peer.name}: {answer}")
        elif isinstance(answer, BaseException):
            raise answer
        else:
            offers += [(peer, offer) for offer in answer]
    return offers, reasons


def _begun(snapshots: SnapshotStore, offers: Sequence[SnapshotOffer]) -> set[str]:
    return {offer.file_hash for offer in offers if Arrival.begun(snapshots, offer)}


async def _fetch_checked(
    peer: PeerClient, offer: SnapshotOffer, snapshots: SnapshotStore, node_id: int | None
) -> SnapshotInfo:
    """Fetch; once more as a whole, where what was there before may be to blame for a wrong file."""
    begun = await asyncio.to_thread(Arrival.begun, snapshots, offer)
    try:
        return await _fetch(peer, offer, snapshots, node_id)
    except Damaged:
        if not begun:
            raise
        return await _fetch(peer, offer, snapshots, node_id)


async def _fetch(
    peer: PeerClient, offer: SnapshotOffer, snapshots: SnapshotStore, node_id: int | None
) -> SnapshotInfo:
    arrival, loop = Arrival(snapshots, offer), asyncio.get_running_loop()
    # A thread of its own: closing the file then waits for a write whose caller was cancelled.
    files = ThreadPoolExecutor(1, thread_name_prefix="arrival")
    try:
        await loop.run_in_executor(files, arrival.open)
        async with aclosing(peer.snapshot(offer, arrival.received)) as chunks:
            async for chunk in chunks:
                await loop.run_in_executor(files, arrival.add, chunk)
        if arrival.received < offer.size:
            raise Unavailable(f"the file ended after {arrival.received} of {offer.size} bytes")
        return await loop.run_in_executor(files, arrival.finish, node_id)
    finally:
        files.submit(arrival.close)
        files.shutdown(wait=False)
