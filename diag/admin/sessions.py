"""Sessions of browsers: a random cookie for a token that was shown once.

A session lives as long as its token does: it asks the token's digest again at each use, so a token that
was taken away or has another role takes its sessions with it. They are in memory; a restart ends them.
"""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Final, NamedTuple

from starlette.requests import cookie_parser
from starlette.types import Scope

#: Seconds a session lasts.
LIFE: Final = 12 * 3600.0
#: Sessions at a time; the oldest goes first.
MOST: Final = 1000


class Session(NamedTuple):
    """``digest`` is that of the token; ``until`` is by the clock of ``Sessions``."""

    digest: str
    until: float


class Sessions:
    """By the hash of what the cookie holds, so that a dump of memory opens nothing."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: OrderedDict[str, Session] = OrderedDict()

    def begin(self, digest: str) -> str:
        """What the cookie of a new session is to hold."""
        cookie = secrets.token_urlsafe(32)
        self._held[_key(cookie)] = Session(digest, self._clock() + LIFE)
        while len(self._held) > MOST:
            self._held.popitem(last=False)
        return cookie

    def digest(self, cookie: str) -> str | None:
        """The digest of the session's token; None where there is no such session, or it is over."""
        session = self._held.get(_key(cookie))
        if session is None:
            return None
        if self._clock() >= session.until:
            self.end(cookie)
            return None
        return session.digest

    def end(self, cookie: str) -> None:
        """Log out; nothing when there is no such session."""
        self._held.pop(_key(cookie), None)


def cookie_name(scope: Scope) -> str:
    """Browsers share cookies between the ports of a machine, and nodes may share a machine."""
    server = scope.get("server")
    port = server[1] if server else 0
    return f"{'__Host-' if scope.get('scheme') == 'https' else ''}metadiag-{port}"


def cookie_of(scope: Scope, headers: Mapping[str, str]) -> str | None:
    """What the session's cookie holds, if the request carries one."""
    return cookie_parser(headers.get("cookie", "")).get(cookie_name(scope)) or None


def _key(cookie: str) -> str:
    return sha256(cookie.encode("utf-8", "surrogatepass")).hexdigest()
