from pathlib import Path

from diag.config.model import RaftConfig
from diag.replication.etcd_flags import flags, spec_of


def raft(**keys: object) -> RaftConfig:
    return RaftConfig.model_validate({"id": 7, "raft_advertise_host": "node7", **keys})


def test_the_member_is_the_node() -> None:
    spec = spec_of(raft(raft_dir="/data", raft_listen_host="0.0.0.0"), {"7": "node7:28103"})
    assert (spec.name, spec.data_dir) == ("7", Path("/data/etcd"))
    assert (spec.listen, spec.advertise) == ("0.0.0.0:28103", "node7:28103")
    given = flags(spec, (3, 5, 30), "unix:///data/etcd/client.sock")
    assert spec_of(raft(raft_listen_host="::1"), {}).listen == "[::1]:28103"
    assert "--initial-cluster=7=http://node7:28103" in given
    assert "--initial-cluster-state=new" in given
    assert "--pre-vote=true" in given
    assert "--snapshot-count=10000" in given


def test_peers_with_certificates_ask_for_them() -> None:
    spec = spec_of(
        raft(etcd_peer_cert="c", etcd_peer_key="k", etcd_peer_ca="a"), {"7": "node7:1"}, existing=True
    )
    given = flags(spec, (3, 5, 30), "http://127.0.0.1:1")
    assert "--peer-client-cert-auth=true" in given
    assert "--initial-cluster=7=https://node7:1" in given
    assert "--initial-cluster-state=existing" in given


def test_names_of_flags_follow_the_version() -> None:
    spec = spec_of(raft(), {})
    old, new = (flags(spec, version, "http://127.0.0.1:1") for version in ((3, 5, 30), (3, 6, 1)))
    assert "--experimental-compact-hash-check-enabled=true" in old
    assert "--experimental-initial-corrupt-check=false" in old
    assert not any("experimental" in flag for flag in new)
    assert "--feature-gates=CompactHashCheck=true,InitialCorruptCheck=false" in new
