import subprocess
import sys
from pathlib import Path

import pytest

from flamegraph.cli import main
from tests.flamegraph.cli.processes import run_module


def test_an_existing_output_is_replaced_whole_and_keeps_its_mode(folded: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.svg"
    out.write_text("old")
    out.chmod(0o640)
    link = tmp_path / "link.svg"
    link.symlink_to(out)
    assert main(["render", str(folded), "-o", str(link)]) == 0
    assert out.read_text().startswith("<svg")
    assert out.stat().st_mode & 0o777 == 0o640
    assert link.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.folded", "link.svg", "out.svg"]


def test_a_failure_leaves_the_existing_output_as_it_was(folded: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.svg"
    out.write_text("old")
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); "
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "from flamegraph.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", limited, "render", str(folded), "-o", str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (4, f"flamegraph: {out} cannot be written: File too large.\n")
    assert out.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.folded", "out.svg"]


@pytest.mark.parametrize("target", ["-", "/dev/stdout"])
def test_standard_output_can_be_named_in_two_ways(folded: Path, target: str) -> None:
    done = run_module("render", str(folded), "-o", target)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"<svg")
    assert done.stdout.endswith(b"</svg>\n")


def test_a_full_device_as_standard_output_is_a_sentence(folded: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "flamegraph", "render", str(folded)]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 4
    assert done.stderr == b"flamegraph: Standard output cannot be written: No space left on device.\n"


@pytest.mark.parametrize(
    ("closed", "arguments", "code", "sentence"),
    [
        (0, ["top", "-"], 3, "standard input: It is closed"),
        (1, ["top", "{in}"], 4, "Standard output is closed"),
        (2, ["top", "{in}"], 0, ""),
        (2, ["top", "{in}/none"], 3, ""),
    ],
)
def test_a_closed_stream_is_no_traceback(
    folded: Path, closed: int, arguments: list[str], code: int, sentence: str
) -> None:
    words = [word.replace("{in}", str(folded)) for word in arguments]
    shell = f'exec "$0" -m flamegraph "$@" {closed}>&-'
    done = subprocess.run(["sh", "-c", shell, sys.executable, *words], capture_output=True, text=True)
    assert done.returncode == code
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_it_runs_as_a_module_in_a_pipe_that_closes_early(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"".join(b"f%d;g 1\n" % i for i in range(20_000)))
    command = [sys.executable, "-m", "flamegraph", "frames", str(tmp_path / "in"), "--min-width", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.read(5) == b"0\t0.0"
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == 0
