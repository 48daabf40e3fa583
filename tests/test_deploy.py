"""The deployment files against what the service really has: its flags, its ports, its probes, its rights."""

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from diag.admin.roles import Role
from diag.admin.tokens import entry
from diag.config import Config, load_config
from diag.perf.node_process import NodeProcess

DEPLOY = Path(__file__).parents[1] / ".deploy"
SYSTEMD, KUBERNETES = DEPLOY / "systemd", DEPLOY / "kubernetes" / "metadiag.yaml"
TOKEN = "mdt_of-the-deployment-tests"


def manifests() -> dict[tuple[str, str], dict[str, Any]]:
    """By kind and name."""
    documents = yaml.safe_load_all(KUBERNETES.read_text())
    return {(one["kind"], one["metadata"]["name"]): one for one in documents}


def stateful_set() -> dict[str, Any]:
    spec: dict[str, Any] = manifests()["StatefulSet", "metadiag"]["spec"]
    return spec


def container() -> dict[str, Any]:
    (only,) = stateful_set()["template"]["spec"]["containers"]
    return dict(only)


def configured(directory: Path) -> Path:
    """The files of the Secret."""
    directory.mkdir()
    for name, content in manifests()["Secret", "metadiag"]["stringData"].items():
        (directory / name).write_text(content)
    return directory / "metadiag.toml"


def port(address: str) -> int:
    return int(address.rpartition(":")[2])


def read(path: Path) -> Config:
    """As a first node would."""
    return load_config(path, {"raft_config.single": True}, {})


def test_the_configuration_for_systemd_is_one() -> None:
    config = read(SYSTEMD / "metadiag.toml")
    assert list(config.inapplicable()) == []
    assert config.admin.tokens_file == Path("/etc/metadiag/tokens.toml")


def test_the_unit_s_directories_are_those_of_its_configuration() -> None:
    unit, config = (SYSTEMD / "metadiag.service").read_text(), read(SYSTEMD / "metadiag.toml")
    assert "StateDirectory=metadiag\n" in unit
    assert config.raft_config.raft_dir.is_relative_to("/var/lib/metadiag")
    assert "LogsDirectory=metadiag\n" in unit
    assert config.file_log().dir == Path("/var/log/metadiag")


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / "metadiag.service"
    content = (SYSTEMD / "metadiag.service").read_text()
    here = str(Path(sys.executable).parent / "diag")
    unit.write_text(
        content.replace("/opt/metadiag/bin/diag", here).replace("=metadiag\nGroup", "=root\nGroup")
    )
    run = subprocess.run([verify, "verify", "--man=no", str(unit)], capture_output=True, text=True)
    assert (run.returncode, [line for line in run.stderr.splitlines() if str(unit) in line]) == (0, [])


def test_the_manifests_hang_together(tmp_path: Path) -> None:
    spec, pod, config = stateful_set(), stateful_set()["template"], read(configured(tmp_path / "etc"))
    labels = pod["metadata"]["labels"]
    assert spec["selector"]["matchLabels"] == labels
    assert ("Service", spec["serviceName"]) in manifests()
    assert manifests()["PodDisruptionBudget", "metadiag"]["spec"]["selector"]["matchLabels"] == labels
    ports = {one["name"]: one["containerPort"] for one in container()["ports"]}
    assert ports == {
        "admin": port(config.admin_api_address),
        "grpc": port(config.grpc_api_address),
        "raft": config.raft_config.raft_api_port,
    }
    for (kind, _), one in manifests().items():
        if kind == "Service":
            assert one["spec"]["selector"] == labels
            assert {each["name"]: each["port"] for each in one["spec"]["ports"]}.items() <= ports.items()
    volumes = {one["name"]: one for one in pod["spec"]["volumes"]}
    claims = {one["metadata"]["name"] for one in spec["volumeClaimTemplates"]}
    mounts = {one["name"]: one["mountPath"] for one in container()["volumeMounts"]}
    assert mounts.keys() == volumes.keys() | claims
    assert ("Secret", volumes["config"]["secret"]["secretName"]) in manifests()
    assert ("ConfigMap", volumes["start"]["configMap"]["name"]) in manifests()
    assert config.raft_config.raft_dir.is_relative_to(mounts["data"])
    assert config.admin.tokens_file == Path(mounts["config"]) / "tokens.toml"
    assert list(config.inapplicable()) == []


def test_py_spy_s_right_reaches_it() -> None:
    rights = container()["securityContext"]
    assert rights["capabilities"] == {"drop": ["ALL"], "add": ["SYS_PTRACE"]}
    assert rights["allowPrivilegeEscalation"], "no new privileges would take the file's capability away"
    assert "setcap cap_sys_ptrace+ep" in (DEPLOY / "Dockerfile").read_text()


def test_the_image_is_the_one_that_is_run() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    assert container()["image"] in dockerfile
    user = stateful_set()["template"]["spec"]["securityContext"]["runAsUser"]
    assert f"USER {user}\n" in dockerfile
    exposed = next(line.split()[1:] for line in dockerfile.splitlines() if line.startswith("EXPOSE"))
    assert {int(one) for one in exposed} == {one["containerPort"] for one in container()["ports"]}


@pytest.mark.parametrize(
    ("host", "id_", "single", "join"),
    [
        ("metadiag-0", 1, True, []),
        ("metadiag-1", 2, False, ["metadiag-0.metadiag-nodes:28103", "metadiag-2.metadiag-nodes:28103"]),
        ("metadiag-2", 3, False, ["metadiag-0.metadiag-nodes:28103", "metadiag-1.metadiag-nodes:28103"]),
    ],
)
def test_each_pod_starts_the_node_it_is(
    tmp_path: Path, host: str, id_: int, single: bool, join: list[str]
) -> None:
    config = started(tmp_path, host)
    raft = config["raft_config"]
    assert (raft["id"], raft["single"], raft["join"]) == (id_, single, join)
    assert raft["raft_advertise_host"] == config["grpc_api_advertise_host"] == f"{host}.metadiag-nodes"
    assert raft["log_engine"] == "etcd"


def started(directory: Path, host: str) -> dict[str, Any]:
    """The configuration that the pod's script would start a node with."""
    config = configured(directory / "etc")
    script = manifests()["ConfigMap", "metadiag-start"]["data"]["start.sh"]
    file = directory / "start.sh"
    file.write_text(script.replace("/etc/metadiag/metadiag.toml", str(config)))
    programs = directory / "bin"
    programs.mkdir()
    told = programs / "diag"
    told.write_text(f'#!/bin/sh\nexec {sys.executable} -m diag "$@" --cmd show-config\n')
    told.chmod(0o755)
    environment = {**os.environ, "HOSTNAME": host, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    command = [*container()["command"][:1], str(file)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    return tomllib.loads(run.stdout)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """A node of its own with the configuration of the pods, and one token."""
    directory = tmp_path_factory.mktemp("deployed")
    config = configured(directory / "etc")
    tokens = directory / "tokens.toml"
    tokens.write_text(entry(TOKEN, "ops", Role.ADMIN, None))
    flags = ["-c", str(config), "--log-engine", "embedded", "--admin-tokens-file", str(tokens)]
    with NodeProcess(directory / "node", flags) as node:
        yield node


def test_the_probes_answer_a_kubelet_that_has_no_token(deployed: NodeProcess) -> None:
    probes = {name: one["httpGet"] for name, one in container().items() if name.endswith("Probe")}
    assert {name: one["path"] for name, one in probes.items()} == {
        "livenessProbe": "/livez",
        "readinessProbe": "/readyz",
        "startupProbe": "/livez",
    }
    names = {one["name"] for one in container()["ports"]}
    for probe in probes.values():
        assert probe["port"] in names
        answer = httpx.get(f"http://{deployed.admin}{probe['path']}", trust_env=False)
        assert answer.status_code == 200
    closed = httpx.get(f"http://{deployed.admin}/v1/metrics", trust_env=False)
    assert closed.status_code == 401
    with_token = {"authorization": f"Bearer {TOKEN}"}
    opened = httpx.get(f"http://{deployed.admin}/v1/metrics", headers=with_token, trust_env=False)
    assert opened.status_code == 200
