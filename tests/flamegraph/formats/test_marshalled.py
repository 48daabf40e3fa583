import marshal
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flamegraph import InputError
from flamegraph.formats.marshalled import loads

scalars = st.none() | st.booleans() | st.integers(-(2**100), 2**100) | st.text(max_size=300)
keys = st.text() | st.integers() | st.tuples(st.text(), st.integers(-(2**40), 2**40), st.text())
values = st.recursive(
    scalars | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4).map(tuple) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=12,
)


def test_nothing_is_damage() -> None:
    with pytest.raises(InputError, match="Byte 0"):
        loads(b"")


@given(values, st.integers(0, 4))
def test_what_marshal_writes_is_read(value: Any, version: int) -> None:
    with suppress(InputError):  # texts of version 0 and 1 may be interned, in a way Python 3 does not write
        assert loads(marshal.dumps(value, version)) == value


@given(values)
def test_the_present_version_is_read_without_exception(value: Any) -> None:
    assert loads(marshal.dumps(value)) == value


def test_long_tuples_and_texts_are_read() -> None:
    value = (tuple(range(1000)), "é" * 1000, "a" * 300)
    assert loads(marshal.dumps(value)) == value


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"(\xff\xff\xff\x7f", "a tuple of 2,147,483,647 values"),
        (b"(\xff\xff\xff\xff", "a tuple of 4,294,967,295 values"),
        (b"s\xff\xff\xff\x7f", "2,147,483,647 bytes should follow"),
        (b"l\xff\xff\xff\x7f", "bytes should follow"),
        (b"l\x64\0\0\0" + b"\xff\x7f" * 100, "more than 128 bits"),
        (b")\x01" * 100, "nested more than 20 deep"),
        (b"r\0\0\0\0", "a reference to value 0"),
        (b"\xa9\x01r\0\0\0\0", "which is not complete"),
        (b"c" + bytes(40), "a value of unknown kind 99"),
        (b"0", "nothing"),
        (b")\x010", "outside one"),
        (b"{i\1\0\0\0" + b"0", "outside one"),
        (b"f\x03abc", "no number"),
        (b"{)\x01)\x00N0", "whose key"),
    ],
)
def test_damage_is_named_with_its_place(data: bytes, what: str) -> None:
    with pytest.raises(InputError, match=rf"Byte [\d,]+ .*{what}"):
        loads(data)


def test_keys_that_would_take_for_ever_to_hash_are_refused() -> None:
    doubled = b"\xa9\x00" + b"".join(
        b"\xa9\x02r" + at.to_bytes(4, "little") + b"r" + at.to_bytes(4, "little") for at in range(60)
    )
    data = b"{" + b"\x29\x3d" + doubled + b"N0"
    with pytest.raises(InputError, match="whose key"):
        loads(data)


@given(st.binary())
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for head in (b"", b"{", b"{)\x03", b"(\x02\0\0\0"):
        with suppress(InputError):
            loads(head + data)
