import io
import shlex
import sys
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flamegraph.cli import COMMANDS, Command, main
from tests.flamegraph.pictures import parse


@pytest.mark.parametrize("arguments", [[], ["melt"], ["frames"], ["render", "x", "--width", "wide"]])
def test_wrong_usage_ends_with_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage: flamegraph" in capsys.readouterr().err


def test_an_unknown_option_is_told_and_not_what_its_value_shifts(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["check", "--threshold", "abc", "a", "b"])
    assert stopped.value.code == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert told == "flamegraph: error: there is no option --threshold; see flamegraph check --help"


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
    readme = Path(__file__).parents[3] / "README.md"
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
