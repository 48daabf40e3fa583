import gzip
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

import flamegraph
from diag.profilers.repack import packed, taken, unpacked
from flamegraph.errors import FlamegraphError

ROOT = Path(__file__).parents[2]


def run(what: str, argument: str, data: bytes) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "diag.profilers.repack", what, argument]
    return subprocess.run(command, input=data, capture_output=True, check=False, cwd=ROOT)


@pytest.mark.parametrize("unit", ["samples", "bytes", "microseconds"])
def test_no_stacks_are_no_stacks_again(unit: str) -> None:
    assert unpacked(packed(b"", unit, {})) == b""


@pytest.mark.parametrize(
    "line",
    [
        b"main (a.py:1);Class.work (diag/a.py:22) 3",
        b"[outside the interpreter];grpc thread 7",
        b"<module> (x.py:1);<listcomp> (x.py:2) 9",
        "é (ü.py:1);日本 1".encode(),
        b"odd (( name );(x:y);: 2",
        b"no place at all 5",
    ],
)
def test_stacks_come_back_as_they_were(line: bytes) -> None:
    assert unpacked(packed(line + b"\n", "samples", {"engine": "py-spy"})) == line + b"\n"


def test_the_program_does_the_same() -> None:
    folded = b"a;b 3\na 1\n"
    there = run("pack", json.dumps({"unit": "bytes", "metadata": {}}), folded)
    assert there.returncode == 0, there.stderr
    assert there.stdout == packed(folded, "bytes", {})
    assert run("unpack", "", there.stdout).stdout == unpacked(there.stdout)


def test_what_was_brought_is_told_of() -> None:
    speedscope = io.BytesIO()
    profile = flamegraph.read(io.BytesIO(b"a;b 3\na 1\n"), unit="milliseconds")
    flamegraph.write(profile, speedscope, "speedscope")
    facts, content = taken(speedscope.getvalue(), None)
    assert facts.unit == "microseconds"
    assert flamegraph.read(io.BytesIO(content)).total == 4000
    assert taken(b"a 3\n", "bytes")[0].unit == "bytes"
    assert taken(gzip.compress(b"a 3\n"), None)[0].samples == 3


def test_a_unit_is_no_matter_to_a_format_that_has_one() -> None:
    assert taken(packed(b"a 3\n", "bytes", {}), "samples")[0].unit == "bytes"


@pytest.mark.parametrize("data", [b"\0\1\2", b"<html>", gzip.compress(b"a 3\n", mtime=0)[:-9], b"a b c\n"])
def test_what_is_no_profile_is_one_sentence_and_an_exit_code(data: bytes) -> None:
    with pytest.raises(FlamegraphError):
        taken(data, None)
    told = run("take", "", data)
    assert told.returncode == 1
    assert told.stderr.count(b"\n") == 1
    assert b"Traceback" not in told.stderr
