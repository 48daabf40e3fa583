"""Whether a request is this machine's own: by the address of its connection, and nobody else's word.

A proxy's word about its client is never trusted: on a loopback connection such a word means that the
caller is elsewhere, and a web page of another site, which a browser on this machine may load, is
elsewhere too.
"""

import ipaddress
import socket
from collections.abc import Mapping

_PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-real-ip")


def why_not_local(host: str | None, headers: Mapping[str, str]) -> str | None:
    """Why a caller at ``host`` is not this machine's, as the rest of a sentence; None when it is."""
    if not is_loopback(host):
        return f"{host or 'an unnamed socket'} is not a loopback address"
    proxied = next((name for name in _PROXY_HEADERS if name in headers), None)
    if proxied is not None:
        return f"the request came through a proxy (header {proxied}), whose client may be anywhere"
    if headers.get("sec-fetch-site") == "cross-site":
        return "a page of another site asked for it"
    origin = headers.get("origin", "")
    if origin and not is_same_site(origin, headers.get("host", "")):
        return f"a page of {origin!r} asked for it"
    if not _names_this_machine(headers.get("host", "")):
        return f"it was asked for under the name {headers['host']!r}, which another site may have lent"
    return None


def is_loopback(host: str | None) -> bool:
    """Whether ``host`` is a number of this machine alone."""
    try:
        address = ipaddress.ip_address((host or "").partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def is_same_site(url: str, host: str) -> bool:
    """Whether ``url`` is one of ``host``, as a ``Host`` header has it."""
    return bool(host) and url.partition("://")[2].partition("/")[0].lower() == host.lower()


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
