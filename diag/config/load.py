"""Reading a configuration: the file, then the flags over it, then one validation of both."""

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from diag.config.model import Config, Profiling, RaftConfig, Section
from diag.errors import ConfigError

CONFIG_FILE_VARIABLE = "METASRV_CONFIG_FILE"

#: Words of keys whose values may hold a secret: a URL has room for a password.
_SECRETS = ("secret", "token", "authorization", "password", "url")


def load_config(path: Path | None, flags: Mapping[str, object], environment: Mapping[str, str]) -> Config:
    """The effective configuration.

    ``path`` (or else the environment's METASRV_CONFIG_FILE) names the TOML file;
    ``flags`` maps dotted keys such as ``raft_config.id`` to values, which win.
    Raises ConfigError with one sentence for everything that is wrong.
    """
    if path is None and environment.get(CONFIG_FILE_VARIABLE):
        path = Path(environment[CONFIG_FILE_VARIABLE])
    values = _read(path) if path else {}
    for key, value in flags.items():
        _put(values, key.split("."), value)
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError("; ".join(_told(detail, path, flags) for detail in error.errors())) from None
    _check(config)
    return config


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration file {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None


def _put(values: dict[str, Any], keys: list[str], value: object) -> None:
    for key in keys[:-1]:
        values = values.setdefault(key, {})
        if not isinstance(values, dict):
            raise ConfigError(f"{key} must be a section, written [{key}], not a single value")
    values[keys[-1]] = value


def _told(detail: ErrorDetails, path: Path | None, flags: Mapping[str, object]) -> str:
    """What is wrong with a key, and in which file if no flag gave it."""
    key = ".".join(str(part) for part in detail["loc"])
    where = f"{path}: " if path is not None and key not in flags else ""
    if detail["type"] == "extra_forbidden":
        return f"{where}unknown key {key}; {_meant(key)}"
    shown = "***" if any(word in key for word in _SECRETS) else repr(detail["input"])
    allowed = detail["msg"].removeprefix("Value error, ")
    return f"{where}{key} = {shown} cannot be used: {allowed}"


def _meant(key: str) -> str:
    """The key of a like name, in the same section or another; names that have the section alone are not."""
    section, _, name = key.rpartition(".")
    known = {known: known.rpartition(".")[2] for known in known_keys()}
    beside = {own: known for known, own in known.items() if known.rpartition(".")[0] == section}
    anywhere = {own: known for known, own in known.items()}
    for names in (beside, anywhere):
        near = difflib.get_close_matches(name, names, n=1)
        if near:
            return f"the nearest known one is {names[near[0]]}"
    return "diag serve --help lists those there are"


def known_keys(section: type[Section] = Config, prefix: str = "") -> Iterator[str]:
    """Dotted names of all keys."""
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield prefix + name
            yield from known_keys(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name


def _check(config: Config) -> None:
    if config.admin.token and config.admin.token.get_secret_value() in {"", "***"}:
        raise ConfigError("admin.token is empty or the redacted ***; give the token itself, or a token_file")
    _check_certificates(config)
    _check_membership(config.raft_config)
    _check_etcd(config.raft_config)
    _check_profiling(config.profiling)
    for role in ("admin", "grpc"):
        cert, key = getattr(config, f"{role}_tls_server_cert"), getattr(config, f"{role}_tls_server_key")
        if bool(cert) != bool(key):
            raise ConfigError(
                f"TLS needs both {role}_tls_server_cert and {role}_tls_server_key; one is empty"
            )
        for file in filter(None, (cert, key)):
            if not Path(file).is_file():
                raise ConfigError(f"{role}_tls_server_cert/key: there is no file {file}")


def _check_certificates(config: Config) -> None:
    """Client certificates need an authority, roles for them, and TLS to be shown over."""
    admin = config.admin
    if bool(admin.client_ca) != bool(admin.client_roles):
        raise ConfigError("admin.client_ca and admin.client_roles go together; one is missing")
    if admin.client_ca and not config.admin_tls_server_cert:
        raise ConfigError("admin.client_ca needs TLS: set admin_tls_server_cert and admin_tls_server_key")
    if admin.client_ca and not Path(admin.client_ca).is_file():
        raise ConfigError(f"admin.client_ca: there is no file {admin.client_ca}")


def _check_etcd(raft: RaftConfig) -> None:
    peer = {name: getattr(raft, name) for name in ("etcd_peer_cert", "etcd_peer_key", "etcd_peer_ca")}
    if any(peer.values()) and not all(peer.values()):
        missing = ", ".join(name for name, file in peer.items() if not file)
        raise ConfigError(f"TLS between members needs certificate, key and CA; raft_config lacks {missing}")
    for name, file in {**peer, "raft_tls_client_root_ca_cert": raft.raft_tls_client_root_ca_cert}.items():
        if file and not Path(file).is_file():
            raise ConfigError(f"raft_config.{name}: there is no file {file}")
    if raft.etcd_election_timeout < 5 * raft.etcd_heartbeat_interval:
        raise ConfigError(
            f"raft_config.etcd_election_timeout = {raft.etcd_election_timeout} must be at least five times "
            f"etcd_heartbeat_interval = {raft.etcd_heartbeat_interval}, or members depose a healthy leader"
        )


def _check_profiling(profiling: Profiling) -> None:
    needless = sorted(
        {"push_url", "triggers"} & profiling.model_fields_set if not profiling.continuous else set()
    )
    if needless:
        raise ConfigError(
            f"profiling.{needless[0]} is about always-on profiling, which is off: set profiling.continuous "
            "= true"
        )
    if profiling.continuous_hours * 3600 < profiling.continuous_window_seconds:
        raise ConfigError(
            f"profiling.continuous_hours = {profiling.continuous_hours:g} is shorter than one window of "
            f"{profiling.continuous_window_seconds:g} s; windows would be gone before they are there"
        )
    for name in ("push_authorization", "push_tenant"):
        if getattr(profiling, name) is not None and profiling.push_url is None:
            raise ConfigError(f"profiling.{name} goes with profiling.push_url, which is not set")


def _check_membership(raft: RaftConfig) -> None:
    """Whose cluster the node is of: its own, or one it joins; or that it only leaves one."""
    if raft.leave_id is not None or raft.leave_via:
        if raft.leave_id is None or not raft.leave_via:
            raise ConfigError(
                "leave_id and leave_via go together: the id of the node that leaves, and admin addresses "
                "of members that can be asked"
            )
        return
    if raft.single == bool(raft.join):
        raise ConfigError(
            "exactly one of raft_config.single and raft_config.join must be given: set single = true to "
            "start a cluster with this node (flag --single), join = [...] to join one (flag --join)"
        )
    if raft.join and raft.log_engine == "embedded":
        raise ConfigError(
            'raft_config.join needs a cluster, which the embedded log is not: set log_engine = "etcd" '
            "(flag --log-engine etcd)"
        )
    if raft.learner and raft.single:
        raise ConfigError(
            "raft_config.learner is for a node that joins; the first node of a cluster must be a voter"
        )
    own = f"{raft.raft_advertise_host}:{raft.raft_api_port}"
    if own in raft.join:
        raise ConfigError(f"raft_config.join names this node itself, {own}; name other members")
