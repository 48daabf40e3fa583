"""What gRPC's transport says of a node that it does not reach, in words for whoever has to mend that."""

import re
from typing import Final

_NO_NAME: Final = "its name is not known here; correct the host that it advertises, or the DNS."
_NO_ROUTE: Final = "no network leads there; look at the routes of this machine, and at firewalls."
_HUNG_UP: Final = "it hung up; is it stopping, or does it speak TLS alone?"
_NO_ANSWER: Final = "nothing comes back; is its machine up, and the network between?"

#: How the transport's own words begin; what a node or etcd says may have the same parts in it.
_BEGINNINGS: Final = (
    "failed to connect to all",
    "errors resolving",
    "Socket closed",
    "recvmsg:",
    "keepalive",
)
#: By a part of what the transport says; the first that is in it counts.
_MEANINGS: Final = (
    ("Connection refused", "nothing listens there; start the node, or correct the address it advertises."),
    ("before receiving SETTINGS", "it takes connections and says nothing; is its process frozen?"),
    ("address lookup failed", _NO_NAME),
    ("errors resolving", _NO_NAME),
    ("Handshake read failed", "it hung up before TLS was agreed on; is TLS on there?"),
    ("Tls handshake failed", "TLS is not agreed on; is TLS on there, and its certificate of our authority?"),
    ("Failed parsing HTTP/2", "what listens there speaks no gRPC; correct the address it advertises."),
    ("Network is unreachable", _NO_ROUTE),
    ("No route to host", _NO_ROUTE),
    ("Connection reset", _HUNG_UP),
    ("Socket closed", _HUNG_UP),
    ("keepalive", "an open connection went silent; is its process frozen, or its machine cut off?"),
    ("timed out", _NO_ANSWER),
)


_CONNECTING: Final = re.compile(
    r"failed to connect to all addresses; last error: [A-Z_]+: (?:ipv4:|ipv6:|unix:)?(\S+): "
    r"(?:Failed to connect to remote host: )?(.+)",
    re.DOTALL,
)


def plainly(details: str) -> str:
    """``details`` without the transport's own words around the address and the reason, where it has them."""
    return _CONNECTING.sub(r"\1 cannot be reached: \2", details)


def meaning_of(details: str) -> str | None:
    """What goes on after "cannot be reached: ", to the sentence's end; None for words of somebody else."""
    if not details.startswith(_BEGINNINGS):
        return None
    return next((meaning for said, meaning in _MEANINGS if said in details), None)
