"""The handshake and the token it hands out (wire protocol, sections 2.1 to 2.3)."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence

from google.protobuf.message import DecodeError

from diag.errors import InvalidRequest, MetaError, Unauthenticated
from diag.rpc.stubs import auth_pb2
from diag.rpc.stubs import meta_pb2 as pb
from diag.tries import Tries

TOKEN_KEY = "auth-token-bin"  # noqa: S105  the metadata key, not a token
PROTOCOL_VERSION = 260_304_000_000
MIN_CLIENT_VERSION = 1_002_259
USER = "root"

_NONCE = 16
_REMEMBERED = 4096


class WrongPassword(Unauthenticated):
    """The user is known, the password is not this node's."""


class HandshakeAuth:
    """Issues tokens and checks them. They are signed with a key of this process and die with it.

    A token is a nonce and its HMAC. One that verified once is remembered, since
    a client shows the same token with every call it makes. Without a ``password``
    any is right, as on the wire it always was.
    """

    def __init__(self, password: str | None = None, tries: Tries | None = None) -> None:
        self._tries = Tries(of="passwords") if tries is None else tries
        self._password = None if password is None else _digest(password)
        self._key = secrets.token_bytes(32)
        self._verified: set[bytes] = set()

    def handshake(self, request: pb.HandshakeRequest, host: str | None = None) -> pb.HandshakeResponse:
        """Answer with a token; InvalidRequest, Unauthenticated, or MetaError for a payload that is none.

        TooManyTries after too many wrong passwords from ``host``.
        """
        _check_version(request.protocol_version)
        credentials = auth_pb2.BasicAuth()
        try:
            credentials.ParseFromString(request.payload)
        except DecodeError as error:
            raise MetaError(
                f"the handshake's payload is not a BasicAuth message of user name and password: {error}"
            ) from error
        if credentials.username != USER:
            raise Unauthenticated(f"Unknown user: {credentials.username}")
        if self._password is not None:
            self._check_password(self._password, credentials.password, host)
        return pb.HandshakeResponse(protocol_version=PROTOCOL_VERSION, payload=self._issue())

    @property
    def has_password(self) -> bool:
        """Whether a token is worth something: then calls need one that need none otherwise."""
        return self._password is not None

    def check(self, metadata: Sequence[tuple[str, str | bytes]]) -> None:
        """Raise Unauthenticated unless a call's metadata carries a token of this process."""
        for key, value in metadata:
            if key == TOKEN_KEY:
                if value not in self._verified:
                    self._verify(value)
                return
        raise Unauthenticated(f"Error {TOKEN_KEY} is empty")

    def knows(self, metadata: Sequence[tuple[str, str | bytes]]) -> bool:
        """Whether ``check`` accepted the call's token before."""
        for key, value in metadata:
            if key == TOKEN_KEY:
                return value in self._verified
        return False

    def revoke_all(self) -> None:
        """Make every token issued so far invalid; clients answer that with a new handshake."""
        self._key = secrets.token_bytes(32)
        self._verified.clear()

    def _check_password(self, right: bytes, given: str, host: str | None) -> None:
        self._tries.require_none_pending(host)
        if not hmac.compare_digest(_digest(given), right):
            self._tries.failed(host, given)
            raise WrongPassword(
                f"the password of {USER} is another; give the one of [auth] grpc_password, as META_PASSWORD "
                "or by --password"
            )

    def _issue(self) -> bytes:
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._sign(nonce)

    def _sign(self, nonce: bytes) -> bytes:
        return hmac.digest(self._key, nonce, hashlib.sha256)

    def _verify(self, token: str | bytes) -> None:
        if not isinstance(token, bytes) or not token:
            raise Unauthenticated(f"Error {TOKEN_KEY} is empty")
        if not hmac.compare_digest(token[_NONCE:], self._sign(token[:_NONCE])):
            raise Unauthenticated(
                "token verify failed: it was not issued by this process; handshake again for a new one"
            )
        if len(self._verified) >= _REMEMBERED:
            self._verified.clear()
        self._verified.add(token)


def _digest(password: str) -> bytes:
    """All of one length, so that comparing them tells nothing of theirs."""
    return hashlib.sha256(password.encode("utf-8", "surrogatepass")).digest()


def _check_version(number: int) -> None:
    """Version 0 is a client older than version numbers, and is not checked."""
    if 0 < number < MIN_CLIENT_VERSION:
        raise InvalidRequest(
            f"meta-client protocol_version({version_text(number)}) < "
            f"metasrv min-compatible({version_text(MIN_CLIENT_VERSION)}); use a newer client"
        )


def version_text(number: int) -> str:
    """``1002453`` as ``1.2.453``."""
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
