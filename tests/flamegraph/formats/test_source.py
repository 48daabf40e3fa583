import gzip
import io
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flamegraph import InputError
from flamegraph.formats.source import opened, read_all


def unpacked(data: bytes) -> bytes:
    with opened(io.BytesIO(data)) as (head, stream):
        found = stream.read()
    assert found.startswith(head)
    return found


def test_nothing_is_nothing() -> None:
    assert unpacked(b"") == b""
    assert unpacked(gzip.compress(b"")) == b""


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=4), st.integers(0, 3))
def test_members_follow_each_other(parts: list[bytes], zeros: int) -> None:
    assert unpacked(b"".join(map(gzip.compress, parts)) + bytes(zeros)) == b"".join(parts)


def test_more_than_a_head_is_read() -> None:
    data = bytes(range(256)) * 4000
    assert unpacked(data) == unpacked(gzip.compress(data)) == data


@pytest.mark.parametrize("keep", [3, 12, 200, -1])
def test_a_file_cut_off_is_a_sentence(keep: int) -> None:
    packed = gzip.compress(bytes(range(256)) * 10)
    with pytest.raises(InputError, match=r"ends early, after [\d,]+ bytes"):
        unpacked(packed[:keep])


def test_damage_is_a_sentence() -> None:
    packed = bytearray(gzip.compress(bytes(range(256)) * 10))
    packed[100:120] = bytes(20)
    with pytest.raises(InputError, match="is damaged within"):
        unpacked(bytes(packed))


def test_a_bomb_does_not_go_off() -> None:
    maker = zlib.compressobj(9, wbits=31)
    bomb = b"".join(maker.compress(bytes(1 << 20)) for _ in range(300)) + maker.flush()
    assert len(bomb) < 1 << 20
    with opened(io.BytesIO(bomb)) as (_, stream), pytest.raises(InputError, match="larger than 256 MiB"):
        read_all(stream)


def test_what_is_read_at_once_is_bounded() -> None:
    assert read_all(io.BytesIO(b"12345"), 5) == b"12345"
    with pytest.raises(InputError, match="larger than"):
        read_all(io.BytesIO(b"123456"), 5)


def test_a_system_error_is_a_sentence() -> None:
    class Broken(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: object) -> int:
            raise OSError(5, "Input/output error")

    with pytest.raises(InputError, match="Input/output error"), opened(io.BufferedReader(Broken())):
        pass


@pytest.mark.parametrize("source", [None, b"a 1", 5, ["a"]])
def test_what_is_no_source_is_an_error_of_ours(source: object) -> None:
    with pytest.raises(InputError, match="a path or an open binary stream is expected"), opened(source):  # type: ignore[arg-type]
        pass


def test_a_stream_of_text_is_refused() -> None:
    with pytest.raises(InputError, match="open it in binary mode"), opened(io.StringIO("a 1")):  # type: ignore[arg-type]
        pass
