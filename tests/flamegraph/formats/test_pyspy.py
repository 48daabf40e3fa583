import io

import pytest

from flamegraph.formats import by_name, read
from flamegraph.formats.pyspy import sniff

RAW = b"""process 12:"python -m app";thread (0x7F1): MainThread;main (app.py:3);run (app.py:7) 5
process 12:"python -m app";thread (0x7F2): MainThread;main (app.py:4) 2
"""


def test_nothing_is_nothing() -> None:
    assert not sniff(b"")
    assert read(io.BytesIO(b""), format="pyspy").total == 0


@pytest.mark.parametrize(
    "head", [RAW, b"main (app.py:3);x 1\n", b"<module> (a b/c.pyx:1) 4\n", b"thread (1): x;f (a.py:1) 2"]
)
def test_it_is_told_by_its_frames(head: bytes) -> None:
    assert sniff(head)
    assert by_name("folded").sniff(head)


@pytest.mark.parametrize("head", [b"main;work 1\n", b"process all;x 1\n", b"f (a.py:3);x\n"])
def test_other_folded_stacks_are_not(head: bytes) -> None:
    assert not sniff(head)


def test_everything_is_kept_by_default() -> None:
    profile = read(io.BytesIO(RAW))
    assert profile.total == 7
    assert ('process 12:"python -m app"', "thread (0x7F2): MainThread", "main (app.py:4)") in dict(
        profile.stacks()
    )


def test_threads_and_lines_can_be_left_out() -> None:
    profile = read(io.BytesIO(RAW), threads=False, line_numbers=False)
    assert dict(profile.stacks()) == {("main (app.py)", "run (app.py)"): 5, ("main (app.py)",): 2}
