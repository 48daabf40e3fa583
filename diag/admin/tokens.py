"""The tokens file: who may do what, as hashes.

    [[token]]
    name = "grafana"                     # stands in the audit log
    role = "read"                        # or profile, admin
    hash = "sha256:..."                  # of the token that `diag token` made
    expires = 2027-01-31T00:00:00Z       # may be left out

Tokens are made here with 256 bits of chance, so one round of SHA-256 hides them: there is no dictionary
to try. The file is read again when it changed. One that cannot be used keeps what was read last, and the
log says so: a slip of the editor must not lock out who would mend it.
"""

import hmac
import logging
import os
import re
import secrets
import time
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

from diag.admin.roles import Role
from diag.errors import ConfigError

#: How a token begins, so that scanners for leaked secrets can know it.
PREFIX: Final = "mdt_"

_HASH = re.compile(r"sha256:([0-9a-f]{64})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_KEYS = {"name", "role", "hash", "expires"}
_BYTES = 32

_log = logging.getLogger(__name__)


class Token(NamedTuple):
    """``digest`` is SHA-256 of the token, in hex; ``expires`` seconds since 1970, or None."""

    name: str
    role: Role
    digest: str
    expires: float | None = None

    def is_valid(self, now: float) -> bool:
        """Whether it has not expired at ``now``, seconds since 1970."""
        return self.expires is None or now < self.expires


def new_token() -> str:
    """One that nobody guesses."""
    return PREFIX + secrets.token_urlsafe(_BYTES)


def digest_of(token: str) -> str:
    """What is kept of a token."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def entry(token: str, name: str, role: Role, expires: datetime | None) -> str:
    """The lines of the tokens file for a token; ConfigError for a name that cannot stand there."""
    if not _NAME.fullmatch(name):
        raise ConfigError(f"name = {name!r} cannot be used: {_NAME_RULE}")
    lines = ["[[token]]", f'name = "{name}"', f'role = "{role.word}"', f'hash = "sha256:{digest_of(token)}"']
    if expires is not None:
        lines.append(f"expires = {expires.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")
    return "\n".join(lines) + "\n"


_NAME_RULE = "expected 1 to 64 letters, digits, '.', '_', '@' or '-', a letter or digit first"


def read_tokens(text: str) -> tuple[Token, ...]:
    """The tokens of a file's text; ConfigError names the entry and what is wrong with it."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"it is not valid TOML: {error}") from None
    entries = values.pop("token", [])
    if values or not isinstance(entries, list) or not all(isinstance(value, dict) for value in entries):
        raise ConfigError("it holds [[token]] tables and nothing else")
    tokens = tuple(_token(number, value) for number, value in enumerate(entries, 1))
    for field in ("name", "digest"):
        held = [getattr(token, field) for token in tokens]
        twice = next((value for value in held if held.count(value) > 1), None)
        if twice is not None:
            named = next(token.name for token in tokens if getattr(token, field) == twice)
            raise ConfigError(f"two tokens have the {field.replace('digest', 'hash')} of {named!r}")
    return tokens


def _token(number: int, value: dict[str, Any]) -> Token:
    def wrong(key: str, expected: str) -> ConfigError:
        return ConfigError(f"[[token]] number {number}: {key} cannot be used: {expected}")

    unknown = sorted(value.keys() - _KEYS)
    if unknown:
        raise wrong(unknown[0], f"known keys are {', '.join(sorted(_KEYS))}")
    name, role, hashed = value.get("name"), Role.of(value.get("role")), value.get("hash")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise wrong("name", _NAME_RULE)
    if role is None:
        raise wrong("role", f"expected one of {', '.join(role.word for role in Role)}")
    found = _HASH.fullmatch(hashed) if isinstance(hashed, str) else None
    if found is None:
        raise wrong("hash", "expected 'sha256:' and 64 hex digits, as diag token prints it")
    expires = value.get("expires")
    if expires is None:
        return Token(name, role, found[1])
    if not isinstance(expires, datetime) or expires.tzinfo is None:
        raise wrong("expires", "expected a moment with its zone, such as 2027-01-31T00:00:00Z")
    return Token(name, role, found[1], expires.timestamp())


class TokensFile:
    """The file at ``path``, as it is now. ConfigError when it cannot be used at the first reading.

    It is looked at whenever tokens are asked for, and read when it is another file or was written to.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._seen: tuple[int, ...] | None = None
        self._complaint: str | None = None
        try:
            self._seen = self._stamp()
            self._tokens = self._read()
        except (OSError, ConfigError, UnicodeDecodeError) as error:
            raise ConfigError(f"the tokens file {path} cannot be used: {_why(error)}") from None

    def find(self, digest: str) -> Token | None:
        """The token that is kept as ``digest``, unless it expired. The time taken tells nothing of others."""
        self._look()
        now = self._clock()
        found = None
        for token in self._tokens:
            if hmac.compare_digest(token.digest, digest) and token.is_valid(now):
                found = token
        return found

    def fault(self) -> str | None:
        """Why the file as it is now is not used, with its name; None when it is."""
        self._look()
        return None if self._complaint is None else f"{self._path}: {self._complaint}"

    def _look(self) -> None:
        try:
            stamp = self._stamp()
            if stamp == self._seen:
                return
            self._seen = stamp
            self._tokens = self._read()
        except OSError as error:
            self._seen = None  # what is moved back, or may be read again, is as old as it was
            self._complain(_why(error))
            return
        except (ConfigError, UnicodeDecodeError) as error:
            self._complain(_why(error))
            return
        self._complaint = None
        _log.info("the tokens file %s was read again: %d tokens", self._path, len(self._tokens))

    def _complain(self, why: str) -> None:
        if why != self._complaint:
            self._complaint = why
            _log.error("the tokens file %s cannot be used, the last good one holds: %s", self._path, why)

    def _stamp(self) -> tuple[int, ...]:
        status = os.stat(self._path)  # noqa: PTH116 - at each request, and Path.stat takes twice the time
        return (status.st_mtime_ns, status.st_size, status.st_ino, status.st_dev)

    def _read(self) -> tuple[Token, ...]:
        return read_tokens(self._path.read_text("utf-8"))


def _why(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
