import gzip
import io
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flamegraph import InputError, OptionError, OutputError, Profile
from flamegraph.formats import FORMATS, WRITTEN, by_name, by_suffix, read, write
from flamegraph.formats.options import Options

PROFILE = Profile.from_stacks([(("main (a.py:1)", "f (b.py:2)"), 3), (("main (a.py:1)", "<g> é"), 2)])
names = st.text(st.characters(codec="utf-8", exclude_characters=";\r\n"), min_size=1, max_size=8).filter(
    str.strip
)
profiles = st.dictionaries(
    st.lists(names, min_size=1, max_size=4).map(tuple), st.integers(1, 10**9), min_size=1, max_size=6
)


def written(profile: Profile, form: str) -> bytes:
    file = io.BytesIO()
    write(profile, file, form)
    return file.getvalue()


class Pipe(io.RawIOBase):
    """A stream that gives a few bytes at a time and cannot go back."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        return self._file.readinto(buffer[:7])


def piped(data: bytes) -> io.BufferedReader:
    return io.BufferedReader(Pipe(data))


def test_an_empty_file_is_an_empty_profile() -> None:
    assert read(io.BytesIO()).total == 0
    assert read(io.BytesIO(b"\n\n")).total == 0
    assert read(piped(b"")).total == 0


def test_each_format_has_one_name_and_knows_its_options() -> None:
    assert len({form.name for form in FORMATS}) == len(FORMATS)
    assert {name for form in FORMATS for name in form.options} == set(Options.fields())


@pytest.mark.parametrize("form", WRITTEN)
def test_content_tells_the_format(form: str, tmp_path: Path) -> None:
    data = written(PROFILE, form)
    path = tmp_path / "profile"
    path.write_bytes(data)
    for source in (io.BytesIO(data), piped(data), path, str(path)):
        assert dict(read(source).stacks()) == dict(PROFILE.stacks())


@pytest.mark.parametrize("form", ["folded", "speedscope"])
def test_any_format_may_be_compressed(form: str) -> None:
    packed = gzip.compress(written(PROFILE, form))
    assert dict(read(io.BytesIO(packed)).stacks()) == dict(PROFILE.stacks())
    assert dict(read(piped(packed)).stacks()) == dict(PROFILE.stacks())


def test_standard_input_is_read_when_it_is_a_pipe(tmp_path: Path) -> None:
    program = "import sys, flamegraph.formats as f; print(f.read(sys.stdin.buffer).total)"
    data = written(PROFILE, "pprof")
    done = subprocess.run([sys.executable, "-c", program], input=data, capture_output=True, check=True)
    assert done.stdout.strip() == b"5"


def test_a_named_pipe_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(b"a;b 1\n" * 20_000,))
    writer.start()
    assert read(path).total == 20_000
    writer.join()


def test_the_suffix_tells_where_content_does_not() -> None:
    assert by_suffix("A.PB.GZ") == by_name("pprof")
    assert by_suffix("a.folded.gz") == by_name("folded")
    assert by_suffix("a.pstats") == by_name("pstats")
    assert by_suffix("a") is None


def test_the_suffix_is_believed_when_nothing_else_is_known(tmp_path: Path) -> None:
    path = tmp_path / "broken.pstats"
    path.write_bytes(b"\0\1\2")
    with pytest.raises(InputError, match="marshalled"):
        read(path)


@pytest.mark.parametrize("data", [b'{"nodes": []}', b"\x7fELF\0\1", b"<html>\n</html>"])
def test_what_is_of_no_known_format_is_a_sentence(data: bytes) -> None:
    with pytest.raises(InputError, match="no known format"):
        read(io.BytesIO(data))


def test_text_without_a_stack_is_refused_with_the_form_expected() -> None:
    with pytest.raises(InputError, match="main;work 12"):
        read(io.BytesIO(b"hello\nworld\n"))


def test_line_numbers_can_be_dropped() -> None:
    data = b"f (a.py:1);g (a.py:2) 1\nf (a.py:3);g (a.py:2) 2\n"
    assert len(read(io.BytesIO(data))) == 5
    assert dict(read(io.BytesIO(data), line_numbers=False).stacks()) == {("f (a.py)", "g (a.py)"): 3}


def test_unknown_names_are_refused() -> None:
    with pytest.raises(OptionError, match="choose one of"):
        read(io.BytesIO(b"a 1"), format="svg")
    with pytest.raises(OptionError, match="no option 'colour'"):
        read(io.BytesIO(b"a 1"), colour="red")
    with pytest.raises(OptionError, match="folded does not know the option 'mode'"):
        read(io.BytesIO(b"a 1"), mode="peak")
    with pytest.raises(OptionError, match="'bits' is not known"):
        read(io.BytesIO(b"a 1"), unit="bits")


def test_an_option_that_is_not_given_is_no_option() -> None:
    assert read(io.BytesIO(b"a 1"), mode=None).total == 1


def test_a_format_that_is_only_read_cannot_be_written() -> None:
    with pytest.raises(OutputError, match="pstats cannot be written"):
        write(PROFILE, io.BytesIO(), "pstats")


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read(tmp_path / "none")
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path)


@pytest.mark.parametrize("first", WRITTEN)
@pytest.mark.parametrize("second", WRITTEN)
@settings(max_examples=25)
@given(known=profiles)
def test_conversions_keep_weights_and_frames(
    first: str, second: str, known: dict[tuple[str, ...], int]
) -> None:
    profile = Profile.from_stacks(known.items())
    once = read(io.BytesIO(written(profile, first)), format=first)
    twice = read(io.BytesIO(written(once, second)), format=second)
    assert dict(twice.stacks()) == known


@pytest.mark.parametrize("form", [form.name for form in FORMATS if form.name != "memray"])
@given(data=st.binary())
def test_any_bytes_are_read_or_refused(form: str, data: bytes) -> None:
    for name in (form, None):
        with suppress(InputError):
            assert read(io.BytesIO(data), format=name).total >= 0


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_its_mark_is_named(encoding: str, tmp_path: Path) -> None:
    data = "main;work 12\nmain 3\n".encode(encoding)
    path = tmp_path / "in.folded"
    path.write_bytes(data)
    for source in (io.BytesIO(data), path):
        with pytest.raises(InputError, match="UTF-16 without a byte order mark"):
            read(source)


@pytest.mark.parametrize(
    "data", [b"{main};work 2\n{main} 1\n", b"a\0b;work 2\na\0b 1\n", b"[k];work 2\nno stack\n<x> 1\n"]
)
def test_folded_stacks_that_begin_like_something_else_are_read_with_and_without_a_name(
    data: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "in.folded"
    path.write_bytes(data)
    for source in (path, io.BytesIO(data), piped(data)):
        assert read(source).total == 3


def test_what_only_ends_like_a_capture_of_memray_is_told(tmp_path: Path) -> None:
    path = tmp_path / "out.bin"
    path.write_bytes(b"\x00\x01garbage\xff" * 9)
    with pytest.raises(InputError, match="no capture of memray"):
        read(path)
