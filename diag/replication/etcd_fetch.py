"""``make etcd``: an etcd of Debian's, unpacked under ``.cache/etcd`` and not installed.

Installing would start a server of its own and would need root. So a private apt, with
its own lists and cache, downloads the package, and it is unpacked there. The mirror is
the one the machine's own sources name, and apt checks the signatures as always. Debian's
newest suite comes first: its etcd has fixes for reads that the stable one lacks.

Standard library only and no package import: it runs before anything is set up.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

SUITES = ("sid", "trixie")
PACKAGES = ("etcd-server", "etcd-client")
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_OTHERWISE = "install etcd 3.5.28 or newer yourself, on PATH or named by raft_config.etcd_binary"


class CannotFetch(Exception):
    """What is missing on this machine, in one sentence."""


def main(arguments: Sequence[str]) -> int:
    """Argument: the directory to unpack into. Exit code 1 with one sentence when it cannot be."""
    target = Path(arguments[0])
    try:
        if binary_works(target):
            sys.stdout.write(f"{target} has an etcd already; remove the directory to fetch it anew\n")
            return 0
        suite = fetch(target, mirror(Path("/etc/apt")))
    except CannotFetch as error:
        sys.stderr.write(f"make etcd: {error}; {_OTHERWISE}\n")
        return 1
    sys.stdout.write(f"unpacked etcd from Debian's {suite} into {target}\n")
    return 0


def binary_works(target: Path) -> bool:
    """Whether an earlier run left an etcd that starts here."""
    try:
        ran = subprocess.run([target / "usr/bin/etcd", "--version"], capture_output=True, check=False)
    except OSError:
        return False
    return ran.returncode == 0


def mirror(apt: Path) -> str:
    """The address of the Debian archive that the sources under ``apt`` (``/etc/apt``) name first."""
    listed = [*sorted(apt.glob("sources.list.d/*.sources")), apt / "sources.list"]
    listed += sorted(apt.glob("sources.list.d/*.list"))
    for file in filter(Path.is_file, listed):
        read = _stanzas if file.suffix == ".sources" else _lines
        for address, suites in read(file.read_text("utf-8", "replace")):
            if address.rstrip("/").endswith("/debian") and "security" not in suites:
                return address
    raise CannotFetch(f"no Debian archive is named in {apt}, so there is none to fetch it from")


def _stanzas(text: str) -> Iterator[tuple[str, str]]:
    for stanza in text.split("\n\n"):
        pairs = [line.partition(":") for line in stanza.splitlines() if not line.startswith(("#", " "))]
        fields = {name.lower(): value.strip() for name, _, value in pairs}
        if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes").lower() != "no":
            for address in fields.get("uris", "").split():
                yield address, fields.get("suites", "")


def _lines(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        words = line.split("#")[0].split()
        if words[:1] == ["deb"]:
            plain = [word for word in words[1:] if "]" not in word and "[" not in word and "=" not in word]
            if len(plain) >= 2:
                yield plain[0], plain[1]


def fetch(target: Path, address: str) -> str:
    """Unpack the packages of the first suite that has them; the suite. CannotFetch says what apt said."""
    for tool in ("apt-get", "dpkg"):
        if shutil.which(tool) is None:
            raise CannotFetch(f"this machine has no {tool}, and the packages are Debian's")
    if not _KEYRING.is_file():
        raise CannotFetch(f"{_KEYRING} is missing, and packages are not taken without their signatures")
    said = ""
    target = target.absolute()  # apt takes a relative path as one below its own root
    target.parent.mkdir(parents=True, exist_ok=True)
    for suite in SUITES:
        with tempfile.TemporaryDirectory(prefix="etcd-", dir=target.parent) as scratch:
            try:
                _unpack(Path(scratch), f"deb [signed-by={_KEYRING}] {address} {suite} main\n")
            except subprocess.CalledProcessError as error:
                said = _reason(error.stderr)
                continue
            if not binary_works(Path(scratch, "tree")):
                said = f"the etcd of {suite} does not start here"
                continue
            shutil.rmtree(target, ignore_errors=True)
            Path(scratch, "tree").rename(target)
            return suite
    raise CannotFetch(f"apt could not bring it: {said}")


def _reason(said: str) -> str:
    errors = [line for line in said.splitlines() if line.startswith("E:")]
    return (errors or said.strip().splitlines() or ["nothing was said"])[0]


def _unpack(scratch: Path, source: str) -> None:
    for part in ("state/lists/partial", "cache/archives/partial", "debs", "tree"):
        (scratch / part).mkdir(parents=True)
    (scratch / "sources.list").write_text(source)
    (scratch / "status").touch()
    options = {
        "Dir::State": scratch / "state",
        "Dir::State::status": scratch / "status",
        "Dir::Cache": scratch / "cache",
        "Dir::Etc::sourcelist": scratch / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::Etc::preferencesparts": "-",
        "Acquire::Languages": "none",
        "Acquire::Retries": "1",
        "APT::Update::Error-Mode": "any",  # a mirror that is out of reach is an error, not a warning
        "APT::Sandbox::User": "root" if os.geteuid() == 0 else "",
    }
    apt = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items())]
    _run([*apt, "update"], scratch)
    _run([*apt, "download", *PACKAGES], scratch / "debs")
    for deb in (scratch / "debs").glob("*.deb"):
        _run(["dpkg", "-x", str(deb), str(scratch / "tree")], scratch)


def _run(command: Sequence[str], where: Path) -> None:
    environment = {**os.environ, "LC_ALL": "C"}
    subprocess.run(command, cwd=where, env=environment, check=True, capture_output=True, text=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
