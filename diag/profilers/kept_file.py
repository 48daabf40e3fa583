"""One kept profile is one file: gzipped pprof, as any tool reads it, with our account of it in its header.

The account stands in the extra field of the gzip header (RFC 1952), so that a list of profiles reads the
heads of files alone, and a profile and its account cannot come apart.
"""

import struct
from pathlib import Path
from typing import BinaryIO, Final

from diag.errors import Damaged
from diag.profilers.about import About

_HEAD: Final = struct.Struct("<2sBB6sH2sH")
_MAGIC: Final = b"\x1f\x8b"
_DEFLATE: Final = 8
_EXTRA: Final = 4
_OURS: Final = b"MD"
_PLAIN_HEAD: Final = 10
_SUBFIELD: Final = 4


def joined(about: About, packed: bytes) -> bytes:
    """The file of a profile; ``packed`` is gzipped, as flamegraph writes pprof."""
    account = about.as_json()
    head = _HEAD.pack(
        _MAGIC,
        _DEFLATE,
        packed[3] | _EXTRA,
        packed[4:_PLAIN_HEAD],
        len(account) + _SUBFIELD,
        _OURS,
        len(account),
    )
    return head + account + packed[_PLAIN_HEAD:]


def parted(path: Path, content: bytes) -> tuple[About, bytes]:
    """The account and the gzipped pprof again. Raises Damaged."""
    about = _about(path, content[: _HEAD.size], content[_HEAD.size :])
    rest = content[_PLAIN_HEAD + 2 + struct.unpack_from("<H", content, _PLAIN_HEAD)[0] :]
    return about, content[:3] + bytes([content[3] & ~_EXTRA]) + content[4:_PLAIN_HEAD] + rest


def read_about(path: Path, file: BinaryIO) -> About:
    """The account alone, from the head of an open file. Raises Damaged."""
    head = file.read(_HEAD.size)
    return _about(path, head, file.read(int.from_bytes(head[-2:], "little")))


def _about(path: Path, head: bytes, rest: bytes) -> About:
    if len(head) < _HEAD.size:
        raise damaged(path, f"it has {len(head)} bytes")
    magic, method, flags, _, extra, ours, length = _HEAD.unpack(head)
    if (magic, method, flags, ours, extra) != (_MAGIC, _DEFLATE, _EXTRA, _OURS, length + _SUBFIELD):
        raise damaged(path, "its head is not one of ours")
    try:
        about = About.from_json(rest[:length])
    except ValueError as error:
        raise damaged(path, f"its account cannot be read: {error}") from None
    if about.id != path.name.partition(".")[0]:
        raise damaged(path, f"it says that it is {about.id}")
    return about


def damaged(path: Path, why: str) -> Damaged:
    """The error for a kept profile that is not what was stored."""
    return Damaged(
        f"The kept profile {path.name} is damaged: {why}. Delete it, or take its file {path} from a backup."
    )
