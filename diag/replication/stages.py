"""Which stages a command passed on its way through the log, for the account of a call that was slow.

The engines stamp a batch or a record, not a command, so a write pays for no clock of its own. The stages of
the last command are the calling task's: whoever serves a call asks when it turns out to have been slow.
"""

from contextvars import ContextVar
from typing import TypeAlias

#: Each stage's name, and when it ended by ``time.perf_counter``, in order.
Stages: TypeAlias = tuple[tuple[str, float], ...]

_passed: ContextVar[Stages] = ContextVar("stages", default=())

#: Remember what the calling task's command passed.
passed = _passed.set
#: The stages of the calling task's last command; empty when it proposed none, or none came back.
stages_passed = _passed.get
