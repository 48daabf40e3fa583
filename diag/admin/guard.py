"""Who may use ``/debug`` and what changes state: this machine, or whoever holds the token.

Profiles and stacks show file names, query shapes and timing, so they are not
open to the network. The address is that of the connection. A proxy's word
about its client is never trusted: on a loopback connection such a word means
that the caller is elsewhere, and a web page of another site, which a browser
on this machine may load, is elsewhere too. Another node's word is trusted: it
let the caller pass by the same rules, and the tunnel that brings its question
sets ``VOUCHED`` in the request's scope, where no header of a client reaches. A
caller that passes here gets the mark too, so that it is vouched for in turn.
"""

import hmac
import ipaddress
import socket
from collections.abc import Mapping
from pathlib import Path

from fastapi import Request

from diag.errors import Forbidden

#: Key of the ASGI scope: true when a guard let the caller pass, this node's or that of another member.
VOUCHED = "metadiag.vouched"

_PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-real-ip")
_REMEDY = "Call it from the node's own machine, or send 'Authorization: Bearer TOKEN'"
_NO_TOKEN = "; no token is configured, set [admin] token or token_file first."  # noqa: S105 - a sentence


class Guard:
    """``token_file`` is read at each use, so a token can be changed without a restart."""

    def __init__(self, token: str | None = None, token_file: Path | None = None) -> None:
        self._token = token
        self._token_file = token_file

    def __call__(self, request: Request) -> None:
        """As a dependency of a route."""
        if request.scope.get(VOUCHED) is True:
            return
        self.check(request.client.host if request.client else None, request.headers)
        request.scope[VOUCHED] = True

    def check(self, host: str | None, headers: Mapping[str, str]) -> None:
        """Raise Forbidden, with the reason, unless the caller is local or has a token."""
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._holds(given.strip()):
            return
        reason = _why_not_local(host, headers)
        if reason is None:
            return
        if scheme:
            raise Forbidden(f"The token sent is not this node's, and {reason}. {_REMEDY}.")
        raise Forbidden(
            f"This route is closed because {reason}. {_REMEDY}{'.' if self._tokens() else _NO_TOKEN}"
        )

    def _holds(self, given: str) -> bool:
        matches = [hmac.compare_digest(given.encode(), token.encode()) for token in self._tokens()]
        return bool(given) and any(matches)

    def _tokens(self) -> list[str]:
        tokens = [self._token] if self._token else []
        if self._token_file is not None:
            try:
                tokens.append(self._token_file.read_text(encoding="utf-8").strip())
            except (OSError, UnicodeDecodeError) as error:
                raise Forbidden(
                    f"The token file {self._token_file} cannot be read ({error}), so no token is accepted."
                ) from None
        return [token for token in tokens if token]


def _why_not_local(host: str | None, headers: Mapping[str, str]) -> str | None:
    if not _is_loopback(host):
        return f"{host or 'an unnamed socket'} is not a loopback address"
    proxied = next((name for name in _PROXY_HEADERS if name in headers), None)
    if proxied is not None:
        return f"the request came through a proxy (header {proxied}), whose client may be anywhere"
    if headers.get("sec-fetch-site") == "cross-site":
        return "a page of another site asked for it"
    origin = headers.get("origin", "")
    if origin and not _same_site(origin, headers.get("host", "")):
        return f"a page of {origin!r} asked for it"
    if not _names_this_machine(headers.get("host", "")):
        return f"it was asked for under the name {headers['host']!r}, which another site may have lent"
    return None


def _is_loopback(host: str | None) -> bool:
    try:
        address = ipaddress.ip_address((host or "").partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _same_site(origin: str, host: str) -> bool:
    return origin.partition("://")[2].lower() == host.lower()


def _names_this_machine(host: str) -> bool:
    """A number, localhost or this machine's name; any other could have been pointed here by its owner."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    if name.lower() in {"", "localhost", socket.gethostname().lower()} or name.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
