"""gRPC's layer on HTTP/2: prefixes, metadata, timeouts and statuses."""

import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diag.errors import InvalidRequest, MessageTooLarge, NotImplementedHere
from diag.rpc.wire import (
    Assembly,
    Compressed,
    Message,
    decompressed,
    framed,
    host_of,
    metadata_headers,
    request_head,
    status_headers,
)

CALL = ((b":method", b"POST"), (b":path", b"/a.B/C"), (b"content-type", b"application/grpc"))


def compressed(payload: bytes, bits: int) -> bytes:
    packer = zlib.compressobj(wbits=bits)
    body = packer.compress(payload) + packer.flush()
    return b"\x01" + len(body).to_bytes(4, "big") + body


@pytest.mark.parametrize(
    ("peer", "host"),
    [("ipv4:10.0.0.9:5", "10.0.0.9"), ("ipv6:%5B::1%5D:5", "::1"), ("unix:/a", None), ("unknown", None)],
)
def test_the_host_of_a_client(peer: str, host: str | None) -> None:
    assert host_of(peer) == host


def test_no_headers_are_no_call() -> None:
    assert request_head(()).refusal == b"405"


def test_a_call() -> None:
    head = request_head((*CALL, (b"te", b"trailers"), (b"queryid", b"q1"), (b"user-agent", b"x")))
    assert (head.path, head.refusal, head.timeout, head.encoding) == ("/a.B/C", None, None, b"identity")
    assert head.metadata == (("queryid", "q1"), ("user-agent", "x"))


def test_requests_that_are_no_calls() -> None:
    assert request_head(((b":method", b"GET"), *CALL[1:])).refusal == b"405"
    assert request_head((*CALL[:2], (b"content-type", b"text/html"))).refusal == b"415"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(b"0S", 0), (b"5S", 5), (b"2M", 120), (b"1H", 3600), (b"250m", 0.25), (b"99999999n", 0.099999999)],
)
def test_timeouts(text: bytes, seconds: float) -> None:
    assert request_head((*CALL, (b"grpc-timeout", text))).timeout == pytest.approx(seconds)


@pytest.mark.parametrize("text", [b"", b"5", b"S", b"-1S", b"999999999S", b"1 S", b"1s"])
def test_what_is_no_timeout(text: bytes) -> None:
    with pytest.raises(InvalidRequest, match="grpc-timeout"):
        request_head((*CALL, (b"grpc-timeout", text)))


def test_binary_metadata_with_and_without_padding_and_joined() -> None:
    head = request_head((*CALL, (b"a-bin", b"AQI="), (b"a-bin", b"AQI"), (b"b-bin", b"AQ,Ag==")))
    assert head.metadata == (
        *(("a-bin", b"\x01\x02"), ("a-bin", b"\x01\x02")),
        *(("b-bin", b"\x01"), ("b-bin", b"\x02")),
    )
    with pytest.raises(InvalidRequest, match="a-bin"):
        request_head((*CALL, (b"a-bin", b"A")))


def test_a_status_is_printable_ascii_whatever_it_says() -> None:
    assert status_headers(0, "", ()) == [(b"grpc-status", b"0")]
    _, (name, value) = status_headers(13, "100 % né\n\ud800", ())
    assert name == b"grpc-message"
    assert value == b"100 %25 n%C3%A9%0A?"
    assert status_headers(14, "x", (("leader", "h:1"),))[2:] == [(b"leader", b"h:1")]
    assert metadata_headers((("t-bin", b"\x01\x02"),)) == [(b"t-bin", b"AQI=")]


def test_nothing_is_no_message() -> None:
    assembly = Assembly(10, b"identity")
    assert assembly.feed(b"") == []
    assert assembly.feed(framed(b"")) == [b""]
    assert assembly.waiting == 0


@given(st.lists(st.binary(max_size=40), max_size=6), st.lists(st.integers(0, 300), max_size=8))
def test_messages_are_the_same_however_they_are_cut(messages: list[bytes], cuts: list[int]) -> None:
    whole = b"".join(map(framed, messages))
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    assembly = Assembly(40, b"identity")
    found: list[Message] = []
    for start, end in pairwise(places):
        found += assembly.feed(whole[start:end])
    assert found == messages
    assert assembly.waiting == 0


def test_a_message_too_large_is_refused_by_its_prefix() -> None:
    assembly = Assembly(10, b"identity")
    assert assembly.feed(framed(b"x" * 10)) == [b"x" * 10]
    assert assembly.feed(b"\0\0\0") == []
    with pytest.raises(MessageTooLarge, match=r"11 vs\. 10"):
        assembly.feed(b"\0\x0b")


@pytest.mark.parametrize(("encoding", "bits"), [(b"gzip", 31), (b"deflate", 15)])
def test_compressed_messages(encoding: bytes, bits: int) -> None:
    packed = compressed(b"v" * 100, bits)
    message, plain = Assembly(100, encoding).feed(packed + framed(b"plain"))
    assert isinstance(message, Compressed)
    assert (message, plain) == (Compressed(packed[5:], encoding), b"plain")
    assert decompressed(message, 100) == b"v" * 100
    with pytest.raises(MessageTooLarge):
        decompressed(Compressed(compressed(b"v" * 1_000_000, bits)[5:], encoding), 100)
    with pytest.raises(InvalidRequest, match="decompressed"):
        decompressed(Compressed(b"abc", encoding), 100)
    with pytest.raises(InvalidRequest, match="its end is missing"):
        decompressed(Compressed(packed[5:-2], encoding), 100)


def test_a_compression_nobody_knows() -> None:
    with pytest.raises(NotImplementedHere, match="identity,deflate,gzip"):
        decompressed(Compressed(b"abc", b"snappy"), 100)
