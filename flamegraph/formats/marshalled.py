"""The part of Python's marshal format that statistics are written in, read without trust.

`marshal.loads` believes its input: six bytes can make it allocate gigabytes, and damaged ones can end the
interpreter. Here every size is checked against what is left, and only tuples, dictionaries, numbers and text
are known.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from flamegraph.errors import InputError

_DEEPEST = 20
_REFERRED = 0x80
_END = object()


def loads(data: bytes) -> Any:
    """The value. Raises InputError with the place of what cannot be read."""
    reader = _Reader(data)
    value = reader.value(0)
    if value is _END:
        raise reader.damaged("nothing")
    return value


def _is_key(value: Any) -> bool:
    # Tuples of tuples that refer to each other could take for ever to hash.
    parts = value if isinstance(value, tuple) else (value,)
    return all(isinstance(part, (str, int, float)) for part in parts)


class _Reader:
    """A place in the data, and the values that later ones refer to."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._values: list[Any] = []
        self._readers: dict[int, Callable[[int], Any]] = {
            ord("N"): lambda _: None,
            ord("T"): lambda _: True,
            ord("F"): lambda _: False,
            ord("0"): lambda _: _END,
            ord("i"): lambda _: self._number("<i", 4),
            ord("I"): lambda _: self._number("<q", 8),
            ord("l"): lambda _: self._long(),
            ord("g"): lambda _: self._number("<d", 8),
            ord("f"): lambda _: self._decimal(),
            ord("s"): lambda _: self._text(4),
            ord("t"): lambda _: self._text(4),
            ord("u"): lambda _: self._text(4),
            ord("a"): lambda _: self._text(4),
            ord("A"): lambda _: self._text(4),
            ord("z"): lambda _: self._text(1),
            ord("Z"): lambda _: self._text(1),
            ord("("): lambda depth: self._tuple(4, depth),
            ord(")"): lambda depth: self._tuple(1, depth),
            ord("{"): self._dictionary,
        }

    def value(self, depth: int) -> Any:
        if depth > _DEEPEST:
            raise self.damaged(f"a value nested more than {_DEEPEST} deep")
        code = self._take(1)[0]
        if code == ord("r"):
            return self._reference()
        read = self._readers.get(code & ~_REFERRED)
        if read is None:
            raise self.damaged(f"a value of unknown kind {code & ~_REFERRED}")
        if not code & _REFERRED:
            return read(depth)
        place = len(self._values)
        self._values.append(_END)
        self._values[place] = value = read(depth)
        return value

    def damaged(self, what: str) -> InputError:
        return InputError(f"Byte {self._at:,} of the marshalled data is {what}; these are no statistics.")

    def _take(self, size: int) -> bytes:
        if not 0 <= size <= len(self._data) - self._at:
            raise self.damaged(f"where {size:,} bytes should follow and {len(self._data) - self._at:,} do")
        self._at += size
        return self._data[self._at - size : self._at]

    def _number(self, form: str, size: int) -> Any:
        return struct.unpack(form, self._take(size))[0]

    def _long(self) -> int:
        """Digits of 15 bits, their number negative for a negative number."""
        digits = self._number("<i", 4)
        packed = self._take(2 * abs(digits))
        number = 0
        for place in range(len(packed) - 2, -2, -2):
            number = number << 15 | int.from_bytes(packed[place : place + 2], "little")
            if number.bit_length() > 128:
                raise self.damaged("a number of more than 128 bits")
        return -number if digits < 0 else number

    def _decimal(self) -> float:
        text = self._take(self._take(1)[0])
        try:
            return float(text)
        except ValueError:
            raise self.damaged("no number") from None

    def _text(self, width: int) -> str:
        size = int.from_bytes(self._take(width), "little")
        return self._take(size).decode("utf-8", "backslashreplace")

    def _tuple(self, width: int, depth: int) -> tuple[Any, ...]:
        size = int.from_bytes(self._take(width), "little")
        if size > len(self._data) - self._at:
            raise self.damaged(f"a tuple of {size:,} values, more than there are bytes left")
        return tuple([self._item(depth) for _ in range(size)])

    def _dictionary(self, depth: int) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        while (key := self.value(depth + 1)) is not _END:
            value = self._item(depth)
            if not _is_key(key):
                raise self.damaged("a dictionary whose key is no text, number or plain tuple of them")
            found[key] = value
        return found

    def _item(self, depth: int) -> Any:
        value = self.value(depth + 1)
        if value is _END:
            raise self.damaged("the end of a dictionary, outside one")
        return value

    def _reference(self) -> Any:
        place = self._number("<I", 4)
        if place >= len(self._values) or self._values[place] is _END:
            raise self.damaged(f"a reference to value {place:,}, which is not complete")
        return self._values[place]
