import io
import json
import os
import pty
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flamegraph import read
from flamegraph.cli import COMMANDS, Command, main
from flamegraph.formats import WRITTEN
from flamegraph.units import UNITS
from tests.flamegraph.pictures import parse, texts


@pytest.fixture
def folded(tmp_path: Path) -> Path:
    path = tmp_path / "in.folded"
    path.write_bytes(b"main;work 3\nmain 1\n")
    return path


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, str]:
    base, new = tmp_path / "base.folded", tmp_path / "new.folded"
    base.write_bytes(b"main;read 600\nmain;write 400\n")
    new.write_bytes(b"main;read 600\nmain;write 1200\n")
    return str(base), str(new)


def run_module(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "flamegraph", *arguments], capture_output=True)


# What every command has.


@pytest.mark.parametrize("arguments", [[], ["melt"], ["frames"], ["render", "x", "--width", "wide"]])
def test_wrong_usage_ends_with_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage: flamegraph" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_help_with_examples(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([command.name, "--help"])
    assert stopped.value.code == 0
    told = capsys.readouterr().out
    assert told.count(f"  flamegraph {command.name}") >= 2
    assert max(map(len, told.splitlines())) <= 120


def _examples() -> list[str]:
    pages = [
        import_module(f"flamegraph.cli.{command.name.replace('-', '_')}").__doc__ or ""
        for command in COMMANDS
    ]
    readme = Path(__file__).parents[2] / "README.md"
    lines = [
        line.strip() for page in [*pages, readme.read_text(encoding="utf-8")] for line in page.splitlines()
    ]
    return [line for line in lines if line.startswith("flamegraph ") and "COMMAND" not in line]


@pytest.mark.parametrize("line", _examples())
def test_examples_are_understood(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    words = shlex.split(line.split(" | ")[0].split(" > ")[0], comments=True)[1:]
    code = main(words)
    assert code == 0 or "cannot be read: No such file" in capsys.readouterr().err


def test_the_list_of_commands_has_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    assert [command.name for command in COMMANDS if command.name not in told] == []
    assert "exit codes:" in told
    assert "1  check alone: a regression" in told


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["render", "{dir}/none"], 3, "none: The profile cannot be read: No such file or directory."),
        (["render", "{dir}"], 3, "cannot be read: Is a directory."),
        (["top", "{dir}/bad"], 3, "bad: The profile has no folded stack"),
        (["render", "{dir}/in.folded", "-o", "{dir}/none/out.svg"], 4, "cannot be written: No such file"),
        (["render", "{dir}/in.folded", "-o", "{dir}"], 4, "cannot be written: Is a directory."),
        (["merge", "{dir}/in.folded", "-o", "{dir}/in.folded/x"], 4, "cannot be written: Not a directory."),
        (["render", "{dir}/in.folded", "-o", "/dev/full"], 4, "/dev/full cannot be written: No space left"),
        (["render", "{dir}/in.folded", "--width", "5"], 2, "200 or more"),
        (["render", "{dir}/in.folded", "--palette", "grue"], 2, "'grue' is not known"),
        (["render", "{dir}/in.folded", "--format", "grue"], 2, "grue"),
        (["render", "{dir}/in.folded", "--focus", "("], 2, "is no regular expression"),
        (["frames", "{dir}/in.folded", "--width", "nan"], 2, "must be more than 0"),
        (["top", "{dir}/in.folded", "-n", "-1"], 2, "must be 0 or more"),
        (["convert", "{dir}/in.folded", "--to", "grue"], 2, "grue"),
        (["diff", "{dir}/in.folded"], 2, "needs two profiles"),
        (["diff", "{dir}/in.folded", "{dir}/in.folded", "--two-column"], 2, "takes one input"),
        (["diff", "{dir}/in.folded", "{dir}/in.folded", "-n", "-3"], 2, "must be 0 or more"),
        (
            ["diff", "{dir}/in.folded", "{dir}/in.folded", *["--scale", "1e18"] * 18],
            3,
            "are too large for floating",
        ),
        (
            ["check", "{dir}/in.folded", "{dir}/in.folded", *["--scale", "1e18"] * 18],
            2,
            "are too large for floating",
        ),
        (["diff", "-", "-"], 2, "Standard input can be read once"),
        (["merge", "-", "{dir}/in.folded", "-"], 2, "Standard input can be read once"),
        (["diff", "{dir}/in.folded", "{dir}/none"], 3, "none: The profile cannot be read"),
        (["check", "{dir}/none", "{dir}/in.folded"], 2, "none: The profile cannot be read"),
        (
            ["check", "{dir}/in.folded", "{dir}/in.folded"],
            2,
            "has 4 samples; fewer than 300 cannot be judged",
        ),
        (["check", "{dir}/empty", "{dir}/in.folded"], 2, "The base is empty"),
        (["check", "{dir}/in.folded", "{dir}/in.folded", "--min-z", "-1"], 2, "must be 0 or more"),
    ],
)
def test_what_goes_wrong_is_a_sentence_and_a_code(
    folded: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, sentence: str
) -> None:
    (folded.parent / "bad").write_bytes(b"nothing\n")
    (folded.parent / "empty").write_bytes(b"")
    assert main([argument.replace("{dir}", str(folded.parent)) for argument in arguments]) == code
    told = capsys.readouterr().err
    assert sentence in told
    assert told.startswith("flamegraph: ")
    assert len(told.splitlines()) == 1


# Inputs.


def test_an_empty_input_is_a_picture_and_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert main(["render", "-"]) == 0
    assert b"No samples" in capsysbinary.readouterr().out


def test_lines_left_out_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").write_bytes(b"a 1\nwhat\n")
    assert main(["frames", str(tmp_path / "in")]) == 0
    assert "in: 1 line is not a stack and a count and was left out (line 2)." in capsys.readouterr().err
    (tmp_path / "in").write_bytes(b"a 1\nwhat\nelse\n")
    assert main(["frames", str(tmp_path / "in")]) == 0
    assert "2 lines are not a stack and a count and were left out (lines 2, 3)." in capsys.readouterr().err


def test_a_name_that_is_empty_is_told(folded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", ""]) == 3
    assert "flamegraph: The input's name is empty;" in capsys.readouterr().err
    assert main(["render", str(folded), "-o", ""]) == 4
    assert "flamegraph: The output's name is empty;" in capsys.readouterr().err


@pytest.mark.parametrize("piped", [True, False], ids=["pipe", "file"])
def test_progress_is_told_to_a_terminal_and_taken_back(tmp_path: Path, piped: bool) -> None:
    large = tmp_path / "large.folded"
    large.write_bytes(b"".join(b"main;f%d;g%d 1\n" % (i % 997, i) for i in range(900_000)))
    ours, theirs = pty.openpty()
    source = "-" if piped else str(large)
    command = [sys.executable, "-m", "flamegraph", "top", source, "-n", "1"]
    with large.open("rb") as file:
        feeder = subprocess.Popen(["cat"], stdin=file, stdout=subprocess.PIPE)
    with subprocess.Popen(command, stdin=feeder.stdout, stdout=subprocess.PIPE, stderr=theirs) as child:
        os.close(theirs)
        if feeder.stdout:
            feeder.stdout.close()
        told = b""
        try:
            while piece := os.read(ours, 1 << 16):
                told += piece
        except OSError:
            pass  # the terminal's other side is closed
        assert child.stdout is not None
        assert child.stdout.read().startswith(b"Total: 900,000 samples")
    feeder.wait()
    os.close(ours)
    assert b"\rreading: " in told
    assert (b"%" in told) is not piped
    assert told.endswith(b"\r\x1b[K")


def test_progress_is_not_told_to_a_file(folded: Path) -> None:
    assert run_module("top", str(folded)).stderr == b""


# Outputs.


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


LINES = st.lists(
    st.tuples(
        st.text(st.characters(codec=None, max_codepoint=0x2100), max_size=8).map(
            lambda text: text.encode("utf-8", "surrogatepass")
        ),
        st.sampled_from(
            [b" 1", b" 400", b" -5", b" nan", b" 1e9", b" 99999999999999999999", b" 0.5", b"", b";a 300"]
        ),
    ).map(b"".join),
    max_size=5,
).map(b"\n".join)


@given(st.one_of(st.binary(max_size=200), LINES), LINES)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_read_ends_with_a_code_and_never_in_a_traceback(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes], one: bytes, other: bytes
) -> None:
    base, new, out = str(tmp_path / "one"), str(tmp_path / "other"), str(tmp_path / "out.svg")
    (tmp_path / "one").write_bytes(one)
    (tmp_path / "other").write_bytes(other)
    codes = [
        main(["top", base]),
        main(["convert", base, "--to", "pprof"]),
        main(["diff", base, new, "-o", out]),
    ]
    assert set(codes) <= {0, 2, 3}
    assert main(["check", base, new, "--github", "--min-samples", "1", "--svg", out]) in (0, 1, 2)
    told = capsysbinary.readouterr()
    assert b"Traceback" not in told.err
    if (tmp_path / "out.svg").exists():
        parse((tmp_path / "out.svg").read_text())


# One command after another.


def test_render_writes_a_picture(folded: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.svg"
    words = "--title T --subtitle S --note N --width 800 --min-width 1 --unit bytes --si --palette memory"
    options = f"{words} --direction icicle --script none".split()
    assert main(["render", str(folded), "-o", str(out), *options]) == 0
    text = out.read_text(encoding="utf-8")
    root = parse(text)
    assert (root.attrib["width"], "4 bytes" in text, "<script>" in text) == ("800", True, False)
    for word in "TSN":
        assert f">{word}</text>" in text


def test_render_writes_a_page_when_told_so_by_option_or_ending(folded: Path, tmp_path: Path) -> None:
    for name, options in (("out.html", []), ("page", ["--html"])):
        assert main(["render", str(folded), "-o", str(tmp_path / name), *options]) == 0
        text = (tmp_path / name).read_text()
        assert text.lower().startswith("<!doctype html>")
        assert "<table" in text


def test_transforms_are_applied_in_the_order_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "in"
    path.write_bytes(b"main;a (x.py:1);a (x.py:2) 3\nmain;b 1\n")

    def converted(*options: str) -> list[str]:
        assert main(["convert", str(path), *options]) == 0
        return capsys.readouterr().out.splitlines()

    assert converted("--no-line-numbers", "--collapse-recursion") == ["main;a (x.py) 3", "main;b 1"]
    assert converted("--collapse-recursion", "--no-line-numbers")[0] == "main;a (x.py);a (x.py) 3"
    assert converted("--rename", "^b$", "c", "--focus", "c") == ["main;c 1"]
    assert converted("--focus", "c", "--rename", "^b$", "c") == []
    assert converted("--ignore", "^a", "--scale", "2", "--reverse") == ["b;main 2"]
    assert converted("--hide", "^a", "--hide", "b") == ["main 4"]
    assert converted("--cut-after", "main") == ["main 4"]
    assert converted("--by-thread", "--ignore", "^a") == ["[no thread];main;b 1"]
    assert converted("--only-package", "x") == [" 1", "a (x.py:1);a (x.py:2) 3"] or converted(
        "--only-package", "x"
    )


def test_merge_adds_up(folded: Path, tmp_path: Path) -> None:
    out = tmp_path / "sum"
    assert main(["merge", str(folded), str(folded), str(folded), "-o", str(out)]) == 0
    assert out.read_bytes() == b"main 3\nmain;work 9\n"


def test_convert_goes_by_the_ending_or_by_name(folded: Path, tmp_path: Path) -> None:
    pprof, named = tmp_path / "out.pb.gz", tmp_path / "named"
    assert main(["convert", str(folded), "-o", str(pprof)]) == 0
    assert main(["convert", str(folded), "-o", str(named), "--to", "pprof"]) == 0
    assert pprof.read_bytes()[:2] == b"\x1f\x8b"
    back = tmp_path / "back.folded"
    for path in (pprof, named):
        assert main(["convert", str(path), "-o", str(back)]) == 0
        assert back.read_bytes() == b"main 1\nmain;work 3\n"


@pytest.mark.parametrize("name", ["out.svg", "out.html"])
def test_convert_writes_no_stacks_under_the_name_of_a_picture(
    folded: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / name
    assert main(["convert", str(folded), "-o", str(out)]) == 2
    assert "`flamegraph render`" in capsys.readouterr().err
    assert not out.exists()
    assert main(["convert", str(folded), "-o", str(out), "--to", "folded"]) == 0


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("form", WRITTEN)
def test_every_unit_can_be_written_in_every_format(
    folded: Path, tmp_path: Path, unit: str, form: str
) -> None:
    there, back = tmp_path / "there", tmp_path / "back.pb.gz"
    assert main(["convert", str(folded), "--unit", unit, "--to", form, "-o", str(there)]) == 0
    assert main(["convert", str(there), "-o", str(back)]) == 0
    # Every time is read as microseconds.
    factor = {"nanoseconds": 0.001, "milliseconds": 1_000, "seconds": 1_000_000}.get(unit, 1)
    assert read(str(back)).total == 4 * (1 if form == "folded" else factor)


def test_top_is_a_table_or_json(folded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top", str(folded)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Total: 4 samples",
        "     self   self%      total   total%  function",
        "3 samples  75.00%  3 samples   75.00%  work",
        " 1 sample  25.00%  4 samples  100.00%  main",
    ]
    assert main(["top", str(folded), "--by", "total", "-n", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "unit": "samples",
        "total": 4,
        "functions": [{"name": "main", "self": 1, "total": 4}],
    }


def test_top_of_nothing_is_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").write_bytes(b"")
    assert main(["top", str(tmp_path / "in")]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "Total: 0 samples"


def test_frames_prints_one_line_a_frame(folded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["frames", str(folded)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "0\t0.0000\t1180.0000\t4\tall",
        "1\t0.0000\t1180.0000\t4\tmain",
        "2\t295.0000\t885.0000\t3\twork",
    ]


def test_frames_takes_a_width_and_a_least_width(folded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["frames", str(folded), "--width", "100", "--min-width", "80"]) == 0
    assert [line.split("\t")[4] for line in capsys.readouterr().out.splitlines()] == ["all", "main"]


def test_a_tab_in_a_name_does_not_make_a_column(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").write_bytes(b"a\tb\rc 1\n")
    assert main(["frames", str(tmp_path / "in")]) == 0
    assert capsys.readouterr().out.splitlines()[1].split("\t")[4] == "a b c"


def test_diff_prints_the_text_and_draws(
    pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "diff.svg"
    assert main(["diff", *pair, "-o", str(out), "--widths", "max", "-n", "1"]) == 0
    told = capsys.readouterr().out
    assert "Base 1,000 samples, new 1,800 samples" in told
    assert "+26.67" in told
    assert "Differential flame graph" in texts(parse(out.read_text()), "title")


def test_diff_leaves_standard_output_to_a_picture_that_goes_there(
    pair: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diff", *pair, "-o", "-"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("<svg")
    assert told.err.startswith("Base 1,000 samples")


def test_diff_takes_two_columns_only_when_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "both"
    path.write_bytes(b"main;read 600 600\nmain;write 400 1200\n")
    assert main(["diff", "--two-column", str(path)]) == 0
    assert "Base 1,000 samples, new 1,800 samples" in capsys.readouterr().out


def test_check_ends_with_one_for_a_regression_and_with_nothing_else_but_zero_or_two(
    pair: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    base, new = pair
    assert main(["check", base, new]) == 1
    assert "write +26.67 points" in capsys.readouterr().out
    assert main(["check", new, new]) == 0
    assert main(["check", base, new, "--max-growth", "30"]) == 0
    assert main(["check", base, new, "--baseline", new, new]) == 0


def test_check_tells_its_verdict_in_three_forms_and_draws(
    pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = tmp_path / "diff.svg"
    assert main(["check", *pair, "--json", "--svg", str(drawn)]) == 1
    assert json.loads(capsys.readouterr().out)["findings"][0]["name"] == "write"
    assert parse(drawn.read_text()).tag.endswith("svg")
    assert main(["check", *pair, "--github"]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("REGRESSION")
    assert told[-1].startswith("::error title=flamegraph check::write +26.67 points")


def test_check_cannot_judge_when_its_picture_cannot_be_written(
    pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", *pair, "--svg", str(tmp_path)]) == 2
    told = capsys.readouterr()
    assert told.out.startswith("REGRESSION")
    assert "Is a directory" in told.err


def test_a_defect_of_check_is_not_taken_for_a_regression(
    pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("flamegraph.cli.check.check", broken)
    assert main(["check", *pair]) == 2
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_csp_hash_prints_directives(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["csp-hash"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["script-src", "style-src"]
    assert all(word.startswith("'sha256-") for line in lines for word in line.split()[1:])
    assert main(["csp-hash", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"script-src", "style-src"}


def test_the_script_of_a_picture_is_the_one_whose_hash_is_printed(
    folded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from flamegraph.csp import csp_hash

    assert main(["csp-hash", "--json"]) == 0
    allowed = json.loads(capsys.readouterr().out)["script-src"]
    assert main(["render", str(folded)]) == 0
    root = parse(capsys.readouterr().out)
    scripts = [
        element.text or ""
        for element in root.iter("{http://www.w3.org/2000/svg}script")
        if element.get("type") != "application/json"
    ]
    assert scripts
    assert all(csp_hash(script) in allowed for script in scripts)
