import pytest
from hypothesis import given
from hypothesis import strategies as st

from flamegraph.frame import Place, is_process, join, split, thread_of, without_line


def test_a_name_without_a_place_is_a_function() -> None:
    assert split(b"") == Place(b"")
    assert split(b"main") == Place(b"main")


def test_a_place_is_taken_apart() -> None:
    assert split(b"run (app/main.py:12)") == Place(b"run", b"app/main.py", 12)
    assert split(b"operator() (int) (C:\\a b.cc:3)") == Place(b"operator() (int)", b"C:\\a b.cc", 3)


@pytest.mark.parametrize(
    "name", [b"f (a)", b"f (:3)", b"f (a:)", b"f (a:0)", b"f (a:03)", b"f (a:-1)", b" (a:1)", b"f (a:1"]
)
def test_what_only_looks_like_a_place_is_part_of_the_function(name: bytes) -> None:
    assert split(name) == Place(name)


@given(st.binary() | st.from_regex(rb"[a(): ]{0,6} \([a(): ]{0,4}:[0-9]{1,3}\)", fullmatch=True))
def test_any_name_comes_back(name: bytes) -> None:
    assert join(split(name)) == name


def test_line_numbers_are_dropped_from_places_only() -> None:
    assert without_line(b"f (a.py:12)") == b"f (a.py)"
    assert without_line(b"f:12") == b"f:12"


def test_threads_have_their_name_or_their_id() -> None:
    assert thread_of(b"thread (0x7F12): MainThread") == b"MainThread"
    assert thread_of(b"thread (0x7F12)") == b"0x7F12"
    assert thread_of(b"thread: pool: 1") == b"pool: 1"
    assert thread_of(b"thread_main (a.py:1)") is None


def test_processes_have_a_number() -> None:
    assert is_process(b'process 4121:"python -m app"')
    assert not is_process(b"process_all (a.py:1)")
    assert not is_process(b"process all: x")
