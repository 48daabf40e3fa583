"""gRPC's own layer on HTTP/2: length-prefixed messages, metadata, timeouts and statuses, as pure functions.

The rules are those of the document "gRPC over HTTP2" of the gRPC project.
"""

import base64
import re
import zlib
from collections.abc import Iterable, Sequence
from struct import Struct
from typing import NamedTuple, TypeAlias
from urllib.parse import quote, unquote

from diag.errors import InvalidRequest, MessageTooLarge, NotImplementedHere

Metadata: TypeAlias = Sequence[tuple[str, str | bytes]]
Headers: TypeAlias = Sequence[tuple[bytes, bytes]]

#: What this side can read; a client sees it in each response.
ENCODINGS = b"identity,deflate,gzip"

_HEADER_COST = 32
_PREFIX = Struct(">BI")
_PREFIX_SIZE = _PREFIX.size
_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
#: Headers that are the protocol's own, and no metadata.
_PROTOCOL = frozenset(
    {
        *(b":method", b":path", b"content-type", b"te"),
        *(b"grpc-timeout", b"grpc-encoding", b"grpc-accept-encoding"),
    }
)
_WINDOW_BITS = {b"gzip": 31, b"deflate": 15}
#: Printable ASCII but the percent sign, which ``quote`` always escapes.
_PLAIN = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")


class Compressed(NamedTuple):
    """A message as it came, and how it is compressed."""

    data: bytes
    encoding: bytes


Message: TypeAlias = bytes | Compressed


class RequestHead(NamedTuple):
    """The headers of one call; ``timeout`` in seconds."""

    path: str
    metadata: Metadata
    timeout: float | None
    encoding: bytes
    refusal: bytes | None  # the HTTP status that answers a request which is no gRPC call
    size: int  # bytes, as HTTP/2 counts them


def host_of(peer: str) -> str | None:
    """The host of a client's address as gRPC writes it, ``ipv6:%5B::1%5D:5``; None for a socket without."""
    family, _, address = unquote(peer).partition(":")
    return address.rpartition(":")[0].strip("[]") if family in ("ipv4", "ipv6") else None


def request_head(headers: Headers) -> RequestHead:
    """Read a request's headers; InvalidRequest for a timeout or metadata that cannot be decoded."""
    known: dict[bytes, bytes] = {}
    metadata: list[tuple[str, str | bytes]] = []
    for name, value in headers:
        if name in _PROTOCOL:
            known[name] = value
        elif not name.startswith(b":"):
            metadata += _metadata(name, value)
    refusal = None
    if known.get(b":method") != b"POST":
        refusal = b"405"
    elif not known.get(b"content-type", b"").startswith(b"application/grpc"):
        refusal = b"415"
    timeout = known.get(b"grpc-timeout")
    return RequestHead(
        known.get(b":path", b"").decode("latin-1"),
        tuple(metadata),
        None if timeout is None else _seconds(timeout),
        known.get(b"grpc-encoding", b"identity"),
        refusal,
        sum(len(name) + len(value) + _HEADER_COST for name, value in headers),
    )


def framed(message: bytes) -> bytes:
    """A message with its prefix; never compressed."""
    return _PREFIX.pack(0, len(message)) + message


def status_headers(status: int, details: str, metadata: Iterable[tuple[str, str | bytes]]) -> Headers:
    """The trailers that end a call."""
    headers = [(b"grpc-status", b"%d" % status)]
    if details:
        headers.append((b"grpc-message", quote(details, safe=_PLAIN, errors="replace").encode()))
    return headers + metadata_headers(metadata)


def metadata_headers(metadata: Iterable[tuple[str, str | bytes]]) -> list[tuple[bytes, bytes]]:
    """Metadata as it goes on the wire."""
    return [
        (key.encode(), base64.b64encode(value) if isinstance(value, bytes) else value.encode())
        for key, value in metadata
    ]


def only_message(data: bytes, limit: int) -> bytes | None:
    """The message that ``data`` is, when it is one whole, plain and within the limit, and nothing else."""
    if len(data) < _PREFIX_SIZE:
        return None
    compressed, size = _PREFIX.unpack_from(data)
    if compressed or size > limit or size != len(data) - _PREFIX_SIZE:
        return None
    return data[_PREFIX_SIZE:]


class Assembly:
    """The messages of one direction of a call, put together from pieces; none may be over ``limit`` bytes."""

    __slots__ = ("_buffer", "_encoding", "_limit")

    def __init__(self, limit: int, encoding: bytes) -> None:
        self._limit = limit
        self._encoding = encoding
        self._buffer = bytearray()

    @property
    def waiting(self) -> int:
        """Bytes held of a message that is not whole."""
        return len(self._buffer)

    def clear(self) -> None:
        """Let go what is held."""
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """The messages that ``data`` completes. Raises MessageTooLarge as soon as a prefix says so."""
        if not self._buffer and (message := only_message(data, self._limit)) is not None:
            return [message]
        self._buffer += data
        return list(self._whole())

    def _whole(self) -> Iterable[Message]:
        buffer = self._buffer
        while len(buffer) >= _PREFIX_SIZE:
            compressed, size = _PREFIX.unpack_from(buffer)
            if size > self._limit:
                raise _too_large(size, self._limit)
            end = _PREFIX_SIZE + size
            if len(buffer) < end:
                return
            with memoryview(buffer) as view:
                message = bytes(view[_PREFIX_SIZE:end])
            del buffer[:end]
            yield Compressed(message, self._encoding) if compressed else message


def decompressed(message: Compressed, limit: int) -> bytes:
    """The message itself, of at most ``limit`` bytes. It may take long: not for the event loop."""
    data, encoding = message
    bits = _WINDOW_BITS.get(encoding)
    if bits is None:
        raise NotImplementedHere(
            f"the message is compressed with {encoding.decode('latin-1')[:40]!r}; "
            f"this service reads {ENCODINGS.decode()}"
        )
    reader = zlib.decompressobj(bits)
    try:
        plain = reader.decompress(data, limit + 1)
    except zlib.error as error:
        raise InvalidRequest(f"the message cannot be decompressed: {error}") from error
    if len(plain) > limit:
        raise _too_large(len(plain), limit)
    if not reader.eof:
        raise InvalidRequest("the message cannot be decompressed: its end is missing")
    return plain


def _too_large(size: int, limit: int) -> MessageTooLarge:
    return MessageTooLarge(f"Received message larger than max ({size} vs. {limit})")


def _seconds(value: bytes) -> float:
    match = _TIMEOUT.fullmatch(value)
    if match is None:
        raise InvalidRequest(
            f"grpc-timeout is {value.decode('latin-1')[:40]!r}; it must be up to 8 digits "
            "and a unit of H, M, S, m, u or n"
        )
    return int(match[1]) * _UNITS[match[2]]


def _metadata(name: bytes, value: bytes) -> list[tuple[str, str | bytes]]:
    key = name.decode("latin-1")
    if not name.endswith(b"-bin"):
        return [(key, value.decode("latin-1"))]
    try:
        # Padding may be left out, and equal keys may stand in one header.
        return [(key, base64.b64decode(part + b"=" * (-len(part) % 4))) for part in value.split(b",")]
    except ValueError as error:
        raise InvalidRequest(f"the metadata {key[:40]!r} is not base64: {error}") from error
