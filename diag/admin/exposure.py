"""What a configuration leaves open to whom; a node with a door that nobody can have meant does not start."""

import socket

from diag.admin.local import is_loopback
from diag.config import Config
from diag.errors import ConfigError


def require_doors(config: Config) -> None:
    """ConfigError with the remedy when anybody could come in."""
    admin, raft = config.admin, config.raft_config
    is_closed = bool(admin.tokens_file or admin.client_roles)
    has_keys = bool(admin.token or admin.token_file or is_closed)
    if not has_keys and not admin.without_keys and not _stays_here(config.admin_api_address):
        raise ConfigError(
            f"admin_api_address = {config.admin_api_address!r} is reached from other machines, and nothing "
            "says who may come in: set admin.tokens_file (diag token makes entries), listen on 127.0.0.1, or "
            "set admin.without_keys = true where a firewall keeps the others out"
        )
    if is_closed and raft.log_engine != "embedded" and raft.raft_secret is None:
        raise ConfigError(
            "a tokens file, or client certificates, close nothing in a cluster without "
            "raft_config.raft_secret: whoever reaches the gRPC port could speak for a node; "
            "set the same on every node"
        )


def _stays_here(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return all(is_loopback(str(target[0])) for *_, target in found)
