"""Writes whose reply no message could hold are refused before they are proposed.

A reply repeats what was put. Made first, such a write would be applied, and its caller would hear
of an error. Only what the request itself shows is counted: the value before may still make the
reply too large, and a reply that never comes to repeat the value (a condition that fails) would
have fitted. Putting so much is refused all the same: made, it could not be answered.
"""

from collections.abc import Callable
from typing import NoReturn

from google.protobuf.message import Message

from diag.errors import MessageTooLarge
from diag.kv.apply import SEQUENTIAL_BYTES
from diag.kv.commands import Operation, Put, PutSequential, Transacted, Transaction, Upsert, Upserted, WasPut
from diag.kv.records import Record
from diag.rpc.json_kv import upserted_size

#: A reply is less than so many times its request, as far as the request shows.
_GROWTH = 8


class Answerable:
    """``limit`` is the largest reply in bytes; ``clock_ms`` gives the time that a reply would carry."""

    def __init__(self, limit: int, clock_ms: Callable[[], int]) -> None:
        self._limit = limit
        self._clock_ms = clock_ms

    def check_transaction(
        self, request_size: int, command: Transaction, reply: Callable[[Transacted], Message]
    ) -> None:
        """Raise MessageTooLarge when a branch puts what ``reply`` could not repeat."""
        if request_size * _GROWTH > self._limit:
            for place, branch in enumerate(command.branches):
                self._check(reply(Transacted(place, self._puts(branch.operations))).ByteSize())

    def check_upsert(self, command: Upsert) -> None:
        """Raise MessageTooLarge when the value is one that the reply could not repeat."""
        if isinstance(command.value, bytes) and len(command.value) * _GROWTH > self._limit:
            self._check(upserted_size(Upserted(None, self._written(command.value))))

    def check_upserted(self, reply: Upserted) -> None:
        """The same for a write that was made: its JSON is not written only to be found too long."""
        if sum(len(record.data) for record in reply if record is not None) * _GROWTH <= self._limit:
            return
        size = upserted_size(reply)
        if size > self._limit:
            self._refuse(size, "a write it answers was made")

    def _puts(self, operations: tuple[Operation, ...]) -> tuple[WasPut, ...]:
        puts = (operation for operation in operations if isinstance(operation, (Put, PutSequential)))
        return tuple([WasPut(_key(put), None, self._written(put.value)) for put in puts])

    def _written(self, value: bytes) -> Record:
        return Record(1, value, None, self._clock_ms())

    def _check(self, size: int) -> None:
        if size > self._limit:
            self._refuse(size, "nothing was written; put less at once")

    def _refuse(self, size: int, what_of_the_write: str) -> NoReturn:
        raise MessageTooLarge(
            f"the reply repeats what is put and would be at least {size} bytes, above the limit of "
            f"{self._limit} bytes a message; {what_of_the_write}"
        )


def _key(operation: Put | PutSequential) -> str:
    return operation.key if isinstance(operation, Put) else operation.prefix + "0" * SEQUENTIAL_BYTES
