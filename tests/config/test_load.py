from pathlib import Path

import pytest

from diag.config import Config, load_config
from diag.errors import ConfigError

SINGLE = {"raft_config.single": True}

UPSTREAM = """
log_dir                 = "./logs1"
admin_api_address       = "0.0.0.0:28101"
grpc_api_address        = "0.0.0.0:9191"
grpc_api_advertise_host = "127.0.0.1"

[log]
[log.file]
level = "INFO"
limit = 7
[log.stderr]
on = true
format = "text"

[raft_config]
id                       = 1
raft_dir                 = "./meta1"
raft_api_port            = 28103
raft_listen_host         = "127.0.0.1"
raft_advertise_host      = "localhost"
single                   = true
heartbeat_interval       = 700
log_cache_capacity       = 1000
snapshot_db_block_keys   = 100
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "databend-meta.toml"
    path.write_text(text)
    return path


def test_no_file_and_no_flags_asks_for_single() -> None:
    with pytest.raises(ConfigError, match=r"exactly one of raft_config\.single and raft_config\.join"):
        load_config(None, {}, {})


def test_defaults_are_the_contracts() -> None:
    config = load_config(None, SINGLE, {})
    assert config.admin_api_address == "127.0.0.1:28101"
    assert config.grpc_api_address == "127.0.0.1:9191"
    assert config.raft_config.raft_api_port == 28103


def test_a_databend_meta_file_loads_unchanged(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, UPSTREAM), {}, {})
    assert config.raft_config.id == 1
    assert config.file_log().dir == Path("logs1")
    assert config.file_log().level == "INFO"
    assert config.file_log().limit == 7


def test_known_keys_without_effect_are_listed(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, UPSTREAM), {}, {})
    assert sorted(config.inapplicable()) == [
        "raft_config.heartbeat_interval",
        "raft_config.log_cache_capacity",
        "raft_config.snapshot_db_block_keys",
    ]


def test_the_secrets_that_a_call_between_nodes_may_carry(tmp_path: Path) -> None:
    text = "[raft_config]\nsingle = true\n"
    assert load_config(written(tmp_path, text), {}, {}).raft_config.accepted_secrets() == ()
    text += "raft_accepted_secrets = ['old']\nraft_secret = 'new'\n"
    config = load_config(written(tmp_path, text), {}, {})
    assert config.raft_config.accepted_secrets() == ("new", "old")
    assert config.raft_config.raft_secret_strict
    assert list(config.inapplicable()) == []


def test_a_url_that_is_refused_is_not_shown() -> None:
    """It stands in the system's log where a service manager keeps what a start says."""
    given = {"profiling.continuous": True, "profiling.push_url": "http://me:planted@there/?key=planted"}
    with pytest.raises(ConfigError, match="push_url") as refused:
        load_config(None, given, {})
    assert "planted" not in str(refused.value)


def test_the_environment_names_the_file_and_flags_win(tmp_path: Path) -> None:
    path = written(tmp_path, UPSTREAM)
    config = load_config(None, {"raft_config.id": "5"}, {"METASRV_CONFIG_FILE": str(path)})
    assert config.raft_config.id == 5
    assert config.raft_config.raft_advertise_host == "localhost"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "admin_api_addres = 'a:1'",
            r"unknown key admin_api_addres; the nearest known one is admin_api_address",
        ),
        (
            "[raft_config]\nraft_prot = 1",
            "unknown key raft_config.raft_prot; the nearest known one is raft_config.raft",
        ),
        (
            "[raft_config]\nbogus_key = 1",
            "databend-meta.toml: unknown key raft_config.bogus_key; diag serve --help lists those there are",
        ),
        (
            "[raft_config]\nadmin_api_address = 'a:1'",
            "unknown key raft_config.admin_api_address; the nearest known one is admin_api_address",
        ),
        ("admin_api_address = 'nowhere'", "admin_api_address = 'nowhere' cannot be used: expected host:port"),
        ("[raft_config]\nid = 'x'", "raft_config.id = 'x' cannot be used"),
        ("[raft_config]\nraft_api_port = 70000", "raft_config.raft_api_port = 70000 .* 65535"),
        ("[admin]\ntoken = 5", r"admin.token = \*\*\* cannot be used"),
        ("[raft_config]\nraft_secret = ''", r"raft_secret = \*\*\* cannot be used: expected the secret"),
        (
            "[raft_config]\nraft_accepted_secrets = ['a', '***']",
            r"accepted_secrets\.1 = \*\*\* cannot be used",
        ),
        ("raft_config = 3", "raft_config"),
        ("x = [", "is not valid TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_config(written(tmp_path, text), {}, {})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the configuration file .*none\.toml: No such file"):
        load_config(tmp_path / "none.toml", SINGLE, {})


def test_join_and_half_a_tls_pair_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'join needs a cluster, .* log_engine = "etcd"'):
        load_config(None, {"raft_config.join": ("127.0.0.1:28103",)}, {})
    with pytest.raises(ConfigError, match="TLS needs both"):
        load_config(None, {**SINGLE, "grpc_tls_server_cert": "c.pem"}, {})
    with pytest.raises(ConfigError, match="there is no file"):
        load_config(
            None,
            {
                **SINGLE,
                "admin_tls_server_cert": str(tmp_path / "c"),
                "admin_tls_server_key": str(tmp_path / "k"),
            },
            {},
        )


def test_a_redacted_token_is_not_taken_for_one() -> None:
    with pytest.raises(ConfigError, match="redacted"):
        load_config(None, {**SINGLE, "admin.token": "***"}, {})


def test_a_section_given_as_a_value_is_told() -> None:
    with pytest.raises(ConfigError, match="must be a section"):
        load_config(None, {"log_dir": "x", "log_dir.y": 1}, {})
    assert isinstance(load_config(None, SINGLE, {}), Config)


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"etcd_peer_cert": "c"}, "raft_config lacks etcd_peer_key, etcd_peer_ca"),
        ({"etcd_peer_cert": "/no", "etcd_peer_key": "/no", "etcd_peer_ca": "/no"}, "there is no file /no"),
        ({"etcd_heartbeat_interval": 500}, "must be at least five times"),
    ],
)
def test_what_etcd_would_refuse_is_told_before_it_starts(keys: dict[str, object], sentence: str) -> None:
    given = {f"raft_config.{name}": value for name, value in keys.items()}
    with pytest.raises(ConfigError, match=sentence):
        load_config(None, SINGLE | given, {})


CLUSTER = Path(__file__).parent / "files"


def test_a_single_node_runs_the_embedded_log() -> None:
    assert load_config(None, SINGLE, {}).raft_config.log_engine == "embedded"
    with pytest.raises(ConfigError, match=r"log_engine = 'raft' cannot be used"):
        load_config(None, {**SINGLE, "raft_config.log_engine": "raft"}, {})


def test_files_of_a_single_node_and_of_three_load_unchanged() -> None:
    single = load_config(CLUSTER / "single.toml", {}, {})
    assert (single.raft_config.single, single.raft_config.join) == (True, ())
    etcd = {"raft_config.log_engine": "etcd"}
    nodes = [load_config(CLUSTER / f"node-{number}.toml", etcd, {}).raft_config for number in (1, 2, 3)]
    assert [node.id for node in nodes] == [1, 2, 3]
    assert [node.single for node in nodes] == [True, False, False]
    assert [node.join for node in nodes[1:]] == [("127.0.0.1:28103",), ("127.0.0.1:28103", "127.0.0.1:28203")]


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({"single": True, "join": ("127.0.0.1:1",)}, r"exactly one of"),
        ({"join": ("here:28103",), "raft_advertise_host": "here"}, "names this node itself, here:28103"),
        ({"single": True, "learner": True}, "learner is for a node that joins"),
        ({"leave_id": 3}, "leave_id and leave_via go together"),
        ({"leave_via": ("127.0.0.1:28101",)}, "leave_id and leave_via go together"),
    ],
)
def test_what_membership_cannot_be_is_told(flags: dict[str, object], says: str) -> None:
    given = {f"raft_config.{name}": value for name, value in {"log_engine": "etcd", **flags}.items()}
    with pytest.raises(ConfigError, match=says):
        load_config(None, given, {})


def test_who_leaves_needs_no_cluster_of_its_own() -> None:
    given = {"raft_config.leave_id": "3", "raft_config.leave_via": ("127.0.0.1:28101",)}
    assert load_config(None, given, {}).raft_config.leave_id == 3


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({"continuous": "perhaps"}, "continuous = 'perhaps' cannot be used"),
        ({"continuous_window_seconds": 0.5}, "greater than or equal to 1"),
        ({"continuous_window_seconds": "nan"}, "continuous_window_seconds"),
        ({"continuous_frequency": 1000}, "less than or equal to 100"),
        ({"continuous_bytes": 1000}, "greater than or equal to 1048576"),
        ({"continuous_hours": 0.001}, "shorter than one window of 60 s"),
        ({"push_url": "http://there:4040"}, "set profiling.continuous = true"),
        ({"triggers.cpu_percent": 90}, "set profiling.continuous = true"),
        ({"continuous": True, "push_url": "there:4040"}, "expected http://host:port"),
        ({"continuous": True, "push_url": "http://there:x"}, "expected http://host:port"),
        ({"continuous": True, "push_url": "http://me:secret@there"}, "expected http://host:port"),
        ({"continuous": True, "push_tenant": "a"}, "goes with profiling.push_url"),
        ({"continuous": True, "push_authorization": "two\nlines"}, r"push_authorization = \*\*\* cannot"),
    ],
)
def test_what_always_on_profiling_cannot_be_is_told(flags: dict[str, object], says: str) -> None:
    given = {f"profiling.{name}": value for name, value in flags.items()}
    with pytest.raises(ConfigError, match=says):
        load_config(None, SINGLE | given, {})


def test_always_on_profiling_is_off_until_it_is_asked_for() -> None:
    assert not load_config(None, SINGLE, {}).profiling.continuous
    given = {"profiling.continuous": True, "profiling.push_url": "https://there/base"}
    profiling = load_config(None, SINGLE | given, {}).profiling
    assert (profiling.continuous_window_seconds, profiling.continuous_frequency) == (60, 19)
