import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from diag.errors import ConfigError
from diag.perf.gate import callgrind
from diag.perf.gate.counts import Count, count, verdict
from diag.perf.gate.counts_child import KERNELS
from flamegraph.paired import Verdict
from tests.perf.gate.repositories import PROJECT, replace, repository

needs_valgrind = pytest.mark.skipif(callgrind.missing() is not None, reason=callgrind.missing() or "")

_PPROF = "flamegraph/formats/pprof_write.py"
_CODEC = "diag/kv/codec.py"


def _packages(directory: Path) -> Path:
    for package in ("diag", "flamegraph"):
        shutil.copytree(PROJECT / package, directory / package, ignore=shutil.ignore_patterns("__pycache__"))
    return directory


def test_nothing_counted_decides_nothing() -> None:
    assert verdict([]) is Verdict.UNCLEAR


@pytest.mark.parametrize(
    ("base", "head", "expected", "told"),
    [
        (1_000_000, 1_000_000, Verdict.PASS, "pass"),
        (1_000_000, 900_000, Verdict.PASS, "pass"),
        (1_000_000, 1_003_001, Verdict.PASS, "pass, but over 0.3%"),
        (1_000_000, 1_006_000, Verdict.PASS, "pass, but over 0.3%"),
        (1_000_000, 1_006_001, Verdict.FAIL, "fail: over 0.6%"),
        (1_000_000, None, Verdict.FAIL, "fail: head cannot run it"),
        (None, 1_000_000, Verdict.UNCLEAR, "cannot tell: base cannot run it"),
        (None, None, Verdict.UNCLEAR, "cannot tell: neither side can run it"),
    ],
)
def test_a_count_is_judged_by_its_growth(
    base: int | None, head: int | None, expected: Verdict, told: str
) -> None:
    each = Count("codec", base, head)
    assert (each.verdict, each.told) == (expected, told)
    assert verdict([each]) is expected


def test_one_failure_fails_all_and_one_pass_is_enough_without() -> None:
    passed, failed, unclear = Count("a", 1, 1), Count("b", 1, 2), Count("c", None, 1)
    assert verdict([passed, failed, unclear]) is Verdict.FAIL
    assert verdict([unclear, passed]) is Verdict.PASS


def test_without_valgrind_a_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "Install it" in str(callgrind.missing())
    with pytest.raises(ConfigError, match="apt install valgrind"):
        count(["codec"], PROJECT, PROJECT)


@pytest.mark.long
@needs_valgrind
def test_a_little_more_is_seen_and_a_kernel_that_breaks_fails_with_its_words(tmp_path: Path) -> None:
    base, head = _packages(tmp_path / "base"), _packages(tmp_path / "head")
    replace(
        head / _CODEC,
        "    seq, data, expire_at, proposed = record\n    flags = 0\n",
        "    seq, data, expire_at, proposed = record\n    flags = 0 if seq is not None else 1\n",
    )
    replace(head / _PPROF, "def write(", "def wrote(")
    codec, pprof = count(["codec", "pprof"], base, head, layouts=1)
    assert codec.base is not None
    assert codec.base > 1_000_000, "a kernel is more than its marks"
    assert codec.growth is not None
    assert 0.003 < codec.growth < 0.1
    assert (pprof.base is not None, pprof.head, pprof.verdict) == (True, None, Verdict.FAIL)
    assert "AttributeError" in pprof.output


@pytest.mark.parametrize("kernel", sorted(KERNELS))
def test_every_kernel_runs_without_a_counter(kernel: str, tmp_path: Path) -> None:
    child = Path(callgrind.__file__).with_name("counts_child.py")
    command = [sys.executable, "-P", str(child), str(os.getpid()), "1", kernel]
    done = subprocess.run(
        command, env={"PYTHONPATH": str(PROJECT)}, check=True, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == "ok\n"


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "diag.perf.gate.counts", *words]


def _run(directory: Path, *words: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(PROJECT)} | ({} if path is None else {"PATH": path})
    return subprocess.run(
        _command(*words), cwd=directory, env=environment, capture_output=True, text=True, check=False
    )


def test_what_cannot_be_compared_is_a_sentence_and_the_code_two(tmp_path: Path) -> None:
    here = repository(tmp_path / "one", {"a.txt": "a"})
    git_alone = tmp_path / "bin"
    git_alone.mkdir()
    (git_alone / "git").symlink_to(str(shutil.which("git")))
    cases = [
        (_run(here, path=str(git_alone)), "apt install valgrind"),
        (_run(here, "--only", "nothing"), "--only"),
    ]
    if callgrind.missing() is None:
        cases.append((_run(here, "--base", "no-such-branch"), "There is no commit 'no-such-branch'"))
    for done, said in cases:
        assert done.returncode == 2
        assert said in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


@needs_valgrind
def test_two_commits_are_compared_and_only_what_is_slower_fails(tmp_path: Path) -> None:
    here = _packages(tmp_path / "two")
    repository(here, {})
    replace(
        here / _CODEC,
        "    flags, seq, expire_at, proposed = _unpack(stored)\n",
        "    flags, seq, expire_at, proposed = _unpack(stored)\n    sorted((4, 3, 2, 1))\n",
    )
    done = _run(here, "--only", "codec", "--only", "pprof", "--layouts", "1")
    assert done.returncode == 1, done.stdout + done.stderr
    told = {line.split()[0]: line.strip() for line in done.stdout.splitlines() if line.strip()}
    assert told["codec"].endswith("fail: over 0.6%"), done.stdout
    assert told["pprof"].endswith(" pass"), done.stdout
    assert abs(float(told["pprof"].split()[3].rstrip("%"))) < 0.3
    assert "last commit" in told["base:"], "what is not committed is compared with the last commit"


@pytest.fixture
def counting(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    here = _packages(tmp_path / "killed")
    repository(here, {})
    with subprocess.Popen(
        _command("--base", "HEAD"),
        cwd=here,
        env=os.environ | {"PYTHONPATH": str(PROJECT), "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


@pytest.mark.long
@needs_valgrind
def test_kernels_end_with_the_process_that_counts_them(counting: subprocess.Popen[str]) -> None:
    children: list[int] = []
    while not children:
        assert counting.poll() is None
        children = [child for child in _children(counting.pid) if _has_come_to_its_kernel(child)]
        time.sleep(0.02)
    os.kill(counting.pid, signal.SIGKILL)
    while any(b"counts_child.py" in _command_line(child) for child in children):
        time.sleep(0.02)


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _has_come_to_its_kernel(pid: int) -> bool:
    """Whether it has opened the kernel's store, which is after it asked for its end."""
    try:
        return (
            b"counts_child.py" in _command_line(pid) and "data.mdb" in Path(f"/proc/{pid}/maps").read_text()
        )
    except OSError:
        return False
