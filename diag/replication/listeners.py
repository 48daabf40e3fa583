"""Who hears of each applied command, before its proposer does."""

import logging
from collections.abc import Callable

from diag.replication import Applied

_log = logging.getLogger(__name__)


class Listeners:
    """Used on the event loop. False while there are none, so that nothing need be made for them."""

    def __init__(self) -> None:
        self._all: tuple[Callable[[Applied], None], ...] = ()

    def __bool__(self) -> bool:
        return bool(self._all)

    def add(self, listener: Callable[[Applied], None]) -> Callable[[], None]:
        """From the next command on, until what is given back is called, which may be done twice."""
        self._all = (*self._all, listener)

        def remove() -> None:
            if listener in self._all:
                at = self._all.index(listener)
                self._all = (*self._all[:at], *self._all[at + 1 :])

        return remove

    def tell(self, applied: Applied) -> None:
        """The command is applied: a listener that fails keeps it from nobody else."""
        for listener in self._all:
            try:
                listener(applied)
            except Exception:  # noqa: BLE001 - whatever a listener does
                _log.exception("A listener of the log failed at entry %d", applied.log_id.index)
