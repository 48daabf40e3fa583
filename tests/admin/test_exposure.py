"""A node whose doors nobody can have meant to be open does not start."""

from pathlib import Path

import pytest

from diag.admin.exposure import require_doors
from diag.config import load_config
from diag.errors import ConfigError


def check(**flags: object) -> None:
    require_doors(load_config(None, {"raft_config.single": True, **flags}, {}))


@pytest.mark.parametrize("address", ["127.0.0.1:1", "[::1]:1", "localhost:1", "127.9.9.9:0"])
def test_an_address_of_this_machine_needs_no_keys(address: str) -> None:
    check(admin_api_address=address)


@pytest.mark.parametrize("address", ["0.0.0.0:28101", "[::]:28101", "10.1.2.3:1", "no-such-host.invalid:1"])
def test_an_address_that_others_reach_needs_keys_or_a_word(address: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"set admin\.tokens_file .* or set admin\.without_keys = true"):
        check(admin_api_address=address)
    check(admin_api_address=address, **{"admin.without_keys": True})
    check(admin_api_address=address, **{"admin.token": "t"})
    check(admin_api_address=address, **{"admin.token_file": str(tmp_path / "token")})
    check(admin_api_address=address, **{"admin.tokens_file": str(tmp_path / "tokens.toml")})


def test_roles_in_a_cluster_need_a_secret_between_the_nodes(tmp_path: Path) -> None:
    cluster = {"raft_config.log_engine": "etcd", "admin.tokens_file": str(tmp_path / "tokens.toml")}
    with pytest.raises(ConfigError, match=r"close nothing in a cluster without raft_config\.raft_secret"):
        check(**cluster)
    check(**cluster, **{"raft_config.raft_secret": "s"})
