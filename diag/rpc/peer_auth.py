"""Who may call the service between nodes: those who show the cluster's secret, or all where there is none."""

import hmac
import ipaddress
import logging
from collections.abc import Sequence

from diag.errors import Unauthenticated
from diag.replication.peer_wire import SECRET_KEY
from diag.rpc.wire import Metadata

_LOGGER = logging.getLogger(__name__)


class PeerAuth:
    """Accepts each of ``secrets``, and everybody when there are none.

    Not ``strict`` it lets others through too and warns, once: for the time in which nodes are given a secret.
    """

    def __init__(self, secrets: Sequence[str], *, strict: bool = True) -> None:
        self._accepted = [secret.encode() for secret in secrets]
        self._strict = strict
        self._warned = False

    def check(self, metadata: Metadata) -> None:
        """Raise Unauthenticated unless a call's metadata carries an accepted secret."""
        if not self._accepted:
            return
        shown = next((value for key, value in metadata if key == SECRET_KEY), None)
        if isinstance(shown, bytes) and self._accepts(shown):
            return
        reason = "none" if shown is None else "another"
        if self._strict:
            raise Unauthenticated(
                f"calls between nodes carry the cluster's raft_secret, and this one carries {reason}; "
                "give every node the same, or list it in raft_accepted_secrets"
            )
        if not self._warned:
            self._warned = True
            _LOGGER.warning("a node calls with %s of the accepted secrets; raft_secret_strict is off", reason)

    def warn_if_open(self, address: str) -> None:
        """Say in the log that anyone who reaches ``address`` (host:port) may call."""
        if not self._accepted and not _is_loopback(address.rpartition(":")[0].strip("[]")):
            _LOGGER.warning(
                "the nodes of this cluster share no secret: whoever reaches %s can change its log and its "
                "members; set raft_secret in [raft_config] on every node",
                address,
            )

    def _accepts(self, shown: bytes) -> bool:
        # All are compared, so that the time tells nothing.
        return sum(hmac.compare_digest(shown, accepted) for accepted in self._accepted) > 0


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
