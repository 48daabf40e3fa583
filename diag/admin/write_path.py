"""Whether a write would be acknowledged now: by the writes there are, or by one of our own."""

import asyncio
import math
import time
from collections.abc import Callable

from diag.errors import MetaError
from diag.kv.commands import Blank
from diag.replication import OrderedLog

#: A write acknowledged within so many seconds is proof enough.
FRESH_SECONDS = 5.0

#: An entry of our own is waited for so long, and after a failed one the next is not made sooner than this.
PATIENCE_SECONDS = 2.0
EVERY_SECONDS = 3.0

#: How long failed proposals count, with none acknowledged since. Then an entry of our own
#: decides: a node that gets no traffic because of this check could not recover otherwise.
_FAILURES_COUNT_SECONDS = 10.0


class WritePath:
    """Fails while proposals fail with none applied, or when an entry that changes nothing is not taken.

    Such an entry is made only when the check is asked, and only when no write was acknowledged
    lately, so a busy log never gets one. Looks that come together share it.
    """

    def __init__(
        self,
        log: OrderedLog,
        clock: Callable[[], float] = time.monotonic,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._log = log
        self._clock = clock
        self._patience = patience
        self._remember()
        self._failing_until = -math.inf
        self._trial: asyncio.Task[str | None] | None = None
        self._tried_at = -math.inf

    async def __call__(self) -> str | None:
        return self._of_traffic() or await self._of_trial()

    def _of_traffic(self) -> str | None:
        counters, now = self._log.counters(), self._clock()
        if counters.acknowledged_at > self._acknowledged:
            self._failing_until = -math.inf
        elif counters.proposals_failed > self._failed:
            self._failing_until = now + _FAILURES_COUNT_SECONDS
        self._remember()
        if now < self._failing_until:
            return f"{self._failed} proposals failed and none was applied since"
        return None

    async def _of_trial(self) -> str | None:
        now = self._clock()
        if now - self._log.counters().acknowledged_at < FRESH_SECONDS:
            return None
        if self._trial is None or (self._trial.done() and now - self._tried_at >= EVERY_SECONDS):
            self._trial, self._tried_at = asyncio.create_task(self._try()), now
        await asyncio.wait([self._trial], timeout=max(0.0, self._tried_at + self._patience - now))
        if self._trial.done():
            return self._trial.result()
        waited = self._clock() - self._tried_at
        return f"an entry proposed by this check is not acknowledged after {waited:.1f} s"

    async def _try(self) -> str | None:
        try:
            await self._log.propose(Blank())
        except MetaError as error:
            return str(error)
        finally:
            self._remember()  # what came of it says nothing of the others' proposals
        return None

    def _remember(self) -> None:
        counters = self._log.counters()
        self._failed, self._acknowledged = counters.proposals_failed, counters.acknowledged_at
