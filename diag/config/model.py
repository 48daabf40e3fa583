"""Every key a configuration may hold, with its type and default (wire protocol, section 11).

Names and defaults are databend-meta's, so that a file written for it loads
unchanged. Keys that tune parts this service does not have (a write-ahead log
of its own, a block cache) are accepted and listed by ``inapplicable``.
"""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

MAX_MESSAGE_SIZE = 32 * 1024 * 1024
DEFAULT_LEVEL = "Warn,databend_=Info,openraft=Info"

#: Marks a key that is accepted for compatibility and has no effect here.
INAPPLICABLE = {"inapplicable": True}


def _address(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not (colon and host and port.isdecimal() and int(port) < 65536):
        raise ValueError("expected host:port with a port of 0 to 65535")
    return value


def _directory(value: Path) -> Path:
    if value == Path():
        raise ValueError("expected a directory of the node's own")
    return value


def _secret(value: SecretStr) -> SecretStr:
    if value.get_secret_value() in {"", "***"}:
        raise ValueError("expected the secret itself, neither empty nor the redacted ***")
    return value


def _server(value: str) -> str:
    url = urlsplit(value)
    try:
        usable = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:  # the port is no number, or too large
        usable = False
    if not usable or url.query or url.fragment or url.username or not _visible(value):
        raise ValueError(
            "expected http://host:port or https://host:port, perhaps with a path, and nothing more"
        )
    return value


def _header(value: SecretStr) -> SecretStr:
    if not all(map(_visible, value.get_secret_value().split(" "))):
        raise ValueError("expected what a header carries: visible ASCII characters and single spaces")
    return value


def _visible(text: str) -> bool:
    return bool(text) and all("!" <= letter <= "~" for letter in text)


Address = Annotated[str, AfterValidator(_address)]
Port = Annotated[int, Field(ge=0, le=65535)]
Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Secret = Annotated[SecretStr, AfterValidator(_secret)]
LogEngine = Literal["embedded", "etcd"]
LogFormat = Literal["text", "json", "identical"]


class Section(BaseModel):
    """Refuses unknown keys, so that a typing error is told and not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def inapplicable(self, prefix: str = "") -> Iterator[str]:
        """Dotted names of the keys that were set and have no effect here."""
        for name in self.model_fields_set:
            value = getattr(self, name)
            extra = type(self).model_fields[name].json_schema_extra
            if isinstance(value, Section):
                yield from value.inapplicable(f"{prefix}{name}.")
            elif isinstance(extra, dict) and extra.get("inapplicable"):
                yield prefix + name


def _ignored(default: object) -> Any:
    return Field(default, json_schema_extra=dict(INAPPLICABLE))


class FileLog(Section):
    """Log to rotated files. ``max_size`` is bytes a file, ``limit`` the files kept."""

    on: bool = True
    level: str = DEFAULT_LEVEL
    dir: Path = Path("./.databend/logs")
    format: LogFormat = "json"
    limit: Positive = 48
    max_size: Positive = 4294967296
    prefix_filter: str = _ignored("")


class StderrLog(Section):
    """Log to standard error."""

    on: bool = False
    level: str = DEFAULT_LEVEL
    format: LogFormat = "text"
    prefix_filter: str = _ignored("")


class StorageLog(Section):
    """databend-meta can log into a stage; this service does not."""

    on: bool = _ignored(False)
    interval: Count = _ignored(2)
    stage_name: str = _ignored("log_1f93b76af0bd4b1d8e018667865fbc65")
    level: str = _ignored("INFO")
    params: dict[str, str] | None = _ignored(None)


class Log(Section):
    file: FileLog = FileLog()
    stderr: StderrLog = StderrLog()
    storage: StorageLog = StorageLog()


class RaftConfig(Section):
    """Identity, data directory and membership of this node. Intervals are milliseconds.

    ``log_engine`` is this service's own key: ``embedded`` keeps the log of a single node in its store,
    ``etcd`` makes the node a member of a cluster. ``join`` names raft addresses of members,
    ``leave_via`` admin addresses of them.
    """

    id: Count = 0
    log_engine: LogEngine = "embedded"
    raft_dir: Annotated[Path, AfterValidator(_directory)] = Path("./.databend/meta")
    raft_listen_host: str = "127.0.0.1"
    raft_advertise_host: str = Field(default_factory=socket.gethostname)
    raft_api_port: Port = 28103
    single: bool = False
    join: tuple[Address, ...] = ()
    learner: bool = False
    leave_via: tuple[Address, ...] = ()
    leave_id: Count | None = None
    cluster_name: str = "foo_cluster"
    snapshot_logs_since_last: Positive = 1024
    raft_secret: Secret | None = None
    raft_accepted_secrets: tuple[Secret, ...] = ()
    #: Upstream's default is to let wrong ones through. Here that is for while a cluster is given its secret.
    raft_secret_strict: bool = True
    wait_leader_timeout: Positive = 180000
    raft_tls_client_root_ca_cert: str = ""
    raft_tls_client_domain_name: str = ""
    etcd_binary: Path | None = None
    etcd_quota_bytes: Positive = 2 * 1024**3
    etcd_heartbeat_interval: Positive = 100
    etcd_election_timeout: Positive = 1000
    etcd_peer_cert: str = ""
    etcd_peer_key: str = ""
    etcd_peer_ca: str = ""
    heartbeat_interval: Positive = _ignored(500)
    install_snapshot_timeout: Positive = _ignored(4000)
    max_applied_log_to_keep: Count = _ignored(1000)
    snapshot_chunk_size: Positive = _ignored(4194304)
    snapshot_db_debug_check: bool = _ignored(True)
    snapshot_db_block_keys: Positive = _ignored(8000)
    snapshot_db_block_cache_item: Count = _ignored(1024)
    snapshot_db_block_cache_size: Count = _ignored(1073741824)
    compact_immutables_ms: Count | None = _ignored(None)
    log_cache_max_items: Count = _ignored(1000000)
    log_cache_capacity: Count = _ignored(1073741824)
    log_wal_chunk_max_records: Positive = _ignored(100000)
    log_wal_chunk_max_size: Positive = _ignored(268435456)
    raft_grpc_max_message_size: Positive = _ignored(MAX_MESSAGE_SIZE)
    no_sync: bool = _ignored(False)
    sled_tree_prefix: str = _ignored("")
    sled_max_cache_size_mb: Count = _ignored(10240)

    def accepted_secrets(self) -> tuple[str, ...]:
        """What calls between nodes may carry: this node's own secret, and those that are being replaced."""
        own = () if self.raft_secret is None else (self.raft_secret,)
        return tuple(secret.get_secret_value() for secret in (*own, *self.raft_accepted_secrets))


class Admin(Section):
    """Who may use what of the admin API.

    ``tokens_file`` holds tokens with roles, and closes all but health checks to everybody else, this machine
    too. Without it loopback may do everything, and whoever has ``token`` or the one of ``token_file``.
    An address beyond loopback without any of them needs ``without_keys``. Calls of clients that take
    ``slow_ms`` and more are kept for ``/debug/slow``; 0 keeps none.

    ``client_ca`` (PEM) is the authority of client certificates, over TLS; ``client_roles`` gives a role to
    the common name or a subject alternative name of one, and closes the doors as a tokens file does.
    """

    token: SecretStr | None = None
    token_file: Path | None = None
    tokens_file: Path | None = None
    without_keys: bool = False
    client_ca: str = ""
    client_roles: dict[str, Literal["read", "profile", "admin"]] = {}
    slow_ms: Annotated[int, Field(ge=0, le=3_600_000)] = 300


class Auth(Section):
    """Who may use the gRPC API. Without ``grpc_password`` any password of the user root is right."""

    grpc_password: Secret | None = None


class ProfilingTriggers(Section):
    """When a node with always-on profiling keeps a profile by itself; 0 leaves a trigger out.

    ``loop_lag_ms`` is the event loop's delay; ``p99_ms`` holds when more than a hundredth of the calls of the
    last ten seconds took longer (rounded up to 1, 2, 3, 4, 5 or 7 times a power of ten);
    ``rss_growth_bytes`` is within ten minutes; ``cpu_percent`` is of one processor, over ten seconds. Such a
    profile has ``seconds`` at ``frequency`` Hz after what was sampled before. Each trigger rests for
    ``cooldown_seconds``; of such profiles the last ``keep_count`` stay.
    """

    loop_lag_ms: Count = 500
    p99_ms: Annotated[int, Field(ge=0, le=70_000)] = 0
    rss_growth_bytes: Count = 0
    cpu_percent: Count = 0
    seconds: Annotated[float, Field(ge=0.1, le=300, allow_inf_nan=False)] = 10.0
    frequency: Annotated[int, Field(ge=1, le=1000)] = 99
    cooldown_seconds: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] = 600.0
    keep_count: Positive = 20


class Profiling(Section):
    """How many profiles a node keeps, and how many bytes of them; a count of 0 keeps none.

    ``continuous`` samples always, in windows that are kept for ``continuous_hours`` in ``continuous_bytes``,
    and sends them to the Pyroscope-compatible server at ``push_url`` where that is set. ``memory_from_start``
    follows every allocation of the process's life.
    """

    keep_count: Count = 200
    keep_bytes: Positive = 64 * 1024 * 1024
    memory_from_start: bool = False
    continuous: bool = False
    continuous_window_seconds: Annotated[float, Field(ge=1, le=300, allow_inf_nan=False)] = 60.0
    continuous_frequency: Annotated[int, Field(ge=1, le=100)] = 19
    continuous_hours: Annotated[float, Field(gt=0, le=8760, allow_inf_nan=False)] = 24.0
    continuous_bytes: Annotated[int, Field(ge=1024 * 1024)] = 64 * 1024 * 1024
    push_url: Annotated[str, AfterValidator(_server)] | None = None
    push_name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9._-]{0,99}$")] = "metadiag"
    push_authorization: Annotated[Secret, AfterValidator(_header)] | None = None
    push_tenant: Annotated[str, Field(pattern=r"^[!-~]{1,150}$")] | None = None
    triggers: ProfilingTriggers = ProfilingTriggers()


class Config(Section):
    """The effective configuration of one node.

    ``grpc_transport``: ``nghttp2`` bounds the connections of each address and what requests hold; ``grpcio``,
    gRPC's own server, bounds connections and calls all together alone, and is for networks where all clients
    are trusted.
    """

    log_level: str = DEFAULT_LEVEL
    log_dir: Path = Path("./.databend/logs")
    admin_api_address: Address = "127.0.0.1:28101"
    admin_tls_server_cert: str = ""
    admin_tls_server_key: str = ""
    grpc_api_address: Address = "127.0.0.1:9191"
    grpc_api_advertise_host: str | None = None
    grpc_tls_server_cert: str = ""
    grpc_tls_server_key: str = ""
    grpc_api_max_message_size: Positive = MAX_MESSAGE_SIZE
    grpc_transport: Literal["nghttp2", "grpcio"] = "nghttp2"
    log: Log = Log()
    raft_config: RaftConfig = RaftConfig()
    admin: Admin = Admin()
    auth: Auth = Auth()
    profiling: Profiling = Profiling()

    def file_log(self) -> FileLog:
        """``log_level`` and ``log_dir`` are shortcuts for ``[log.file]`` where they are set."""
        changes: dict[str, object] = {}
        if "log_level" in self.model_fields_set:
            changes["level"] = self.log_level
        if "log_dir" in self.model_fields_set:
            changes["dir"] = self.log_dir
        return self.log.file.model_copy(update=changes)
