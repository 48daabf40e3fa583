"""As much of protocol buffers as pprof needs: varints and fields, both ways. Positions are for messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flamegraph.errors import InputError

VARINT, BYTES = 0, 2
_FIXED = {1: 8, 5: 4}
_LONGEST_VARINT = 10
_MASK = (1 << 64) - 1


def read_fields(data: memoryview, start: int = 0) -> Iterator[tuple[int, int | memoryview, int]]:
    """(field number, value, position) of each field; a value is a number or the bytes of the field.

    `start` is where `data` begins in the file. Raises InputError where the message breaks off.
    """
    at, end = 0, len(data)
    while at < end:
        position = start + at
        tag, at = _varint(data, at, start)
        field, kind = tag >> 3, tag & 7
        value: int | memoryview
        if kind == VARINT:
            value, at = _varint(data, at, start)
        else:
            if kind == BYTES:
                size, at = _varint(data, at, start)
            elif kind in _FIXED:
                size = _FIXED[kind]
            else:
                raise InputError(f"Byte {position:,} of the protobuf is no field of a known kind.")
            if size > end - at:
                raise InputError(
                    f"The protobuf ends early: the field at byte {position:,} has {size:,} bytes, "
                    f"of which {end - at:,} are there."
                )
            value, position = data[at : at + size], start + at
            at += size
        yield field, value, position


def read_numbers(value: int | memoryview, position: int) -> list[int]:
    """The numbers of a repeated field, which are packed or come one at a time."""
    if isinstance(value, int):
        return [value]
    numbers = []
    number = shift = 0
    for byte in value:
        number |= (byte & 127) << shift
        if byte < 128:
            numbers.append(number & _MASK)
            number = shift = 0
        else:
            shift += 7
            if shift >= 7 * _LONGEST_VARINT:
                raise InputError(f"The field at byte {position:,} of the protobuf holds no numbers.")
    if shift:
        raise InputError(f"The protobuf breaks off in the numbers at byte {position:,}.")
    return numbers


def signed(number: int) -> int:
    """An int64 from the 64 bits that stand for it."""
    return number - (1 << 64) if number >> 63 else number


def _varint(data: memoryview, at: int, start: int) -> tuple[int, int]:
    number = shift = 0
    for place in range(at, min(at + _LONGEST_VARINT, len(data))):
        byte = data[place]
        number |= (byte & 127) << shift
        if byte < 128:
            return number & _MASK, place + 1
        shift += 7
    raise InputError(f"The protobuf breaks off in the number at byte {start + at:,}.")


def varint(number: int) -> bytes:
    """A number of up to 64 bits; negative ones as their two's complement."""
    number &= _MASK
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def number_field(field: int, number: int) -> bytes:
    """A field that holds a number; nothing for zero, which is what an absent field means."""
    return varint(field << 3 | VARINT) + varint(number) if number else b""


def bytes_field(field: int, value: bytes) -> bytes:
    """A field that holds bytes, text or a message."""
    return varint(field << 3 | BYTES) + varint(len(value)) + value


def numbers_field(field: int, numbers: Iterable[int]) -> bytes:
    """A repeated field of numbers, packed."""
    return bytes_field(field, b"".join(map(varint, numbers)))
