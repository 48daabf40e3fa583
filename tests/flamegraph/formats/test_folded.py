import codecs
import gzip
import io
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flamegraph import InputError, Profile, read_folded, write_folded
from flamegraph.formats.folded import read_differential
from flamegraph.formats.lines import LONGEST_LINE

names = st.text(st.characters(exclude_characters=";\n\r\0", codec="utf-8"), min_size=1).filter(str.strip)
weights = st.integers(1, 10**12) | st.floats(1e-6, 1e9)
profiles = st.dictionaries(st.lists(names, min_size=1, max_size=5).map(tuple), weights, max_size=8)


def read(data: bytes) -> Profile:
    return read_folded(io.BytesIO(data))


def stacks(data: bytes) -> dict[tuple[str, ...], float]:
    return dict(read(data).stacks())


def test_an_empty_file_is_an_empty_profile() -> None:
    assert read(b"").total == 0
    assert read(b"\n \n").total == 0
    assert read(codecs.BOM_UTF8).total == 0


def test_lines_are_stacks_and_counts() -> None:
    assert stacks(b"a;b 2\na 1\na;b;c 4\na;b 3\n") == {("a",): 1, ("a", "b"): 5, ("a", "b", "c"): 4}


def test_a_path_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "in.folded"
    path.write_bytes(b"a 1\n")
    assert read_folded(path).total == read_folded(str(path)).total == 1


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_folded(tmp_path / "none")


@pytest.mark.parametrize(
    "data",
    [
        b"a;b 2\r\nc 1\r\n",
        b"a;b 2\r\nc 1\r",
        codecs.BOM_UTF8 + b"a;b 2\nc 1",
        "\ufeffa;b 2\nc 1\n".encode("utf-16-le"),
        "\ufeffa;b 2\r\nc 1".encode("utf-16-be"),
    ],
)
def test_line_ends_and_encodings(data: bytes) -> None:
    assert stacks(data) == {("a", "b"): 2, ("c",): 1}


def test_broken_utf16_is_a_sentence() -> None:
    with pytest.raises(InputError, match="save it as UTF-8"):
        read("\ufeffa 1\n".encode("utf-16-le") + b"x")


def test_names_that_are_not_utf8_stay_apart() -> None:
    profile = read(b"\xff 1\n\xfe 2\n")
    assert len(profile) == 3
    assert [frames for frames, _ in profile.stacks()] == [("\ufffd",), ("\ufffd",)]


def test_names_keep_spaces_and_digits() -> None:
    assert stacks(b"thread 12 5\n x  y  3\na\tb\t4\n") == {("thread 12",): 5, (" x  y ",): 3, ("a\tb",): 4}


def test_fractional_counts() -> None:
    assert stacks(b"a 1.5\na 2\nb 3.\n") == {("a",): 3.5, ("b",): 3.0}


def test_empty_frames() -> None:
    profile = b"a; 1\na;;b 2\na;;; 4\n;c 8\na; 16\na;;d 32\n"
    assert stacks(profile) == {("a",): 21, ("a", "", "b"): 2, ("", "c"): 8, ("a", "", "d"): 32}
    assert len(read(profile)) == 7


def test_an_empty_stack_counts_for_the_root() -> None:
    assert stacks(b" 5\n;; 2\n;a 1\n 1.5\n") == {(): 8.5, ("", "a"): 1}


def test_invalid_lines_are_counted_and_named_not_guessed_at() -> None:
    profile = read(b"a 1\nno count\n\n7\nb 1_0\nc -1\nd +1\ne 1e3\nf nan\ng 2\nh 3 \n")
    assert dict(profile.stacks()) == {("a",): 1, ("g",): 2}
    assert profile.metadata == {"invalid_lines": "8", "invalid_line_numbers": "2, 4, 5, 6, 7, 8, 9, 11"}


def test_only_ten_invalid_lines_are_named() -> None:
    profile = read(b"x\n" * 1000 + b"a 1\n")
    assert profile.metadata["invalid_lines"] == "1000"
    assert profile.metadata["invalid_line_numbers"] == "1, 2, 3, 4, 5, 6, 7, 8, 9, 10"


def test_a_count_too_large_to_be_one_is_invalid() -> None:
    assert read(b"a 1\na " + b"9" * 5000 + b"\na " + b"9" * 400 + b".5\n").metadata["invalid_lines"] == "2"


def test_a_count_beyond_63_bits_is_invalid() -> None:
    assert read(b"a 1\na 9223372036854775808\n").metadata["invalid_line_numbers"] == "2"


def test_sums_may_be_larger_than_any_count() -> None:
    assert read(b"a 999999999999999999\n" * 20).total == 19_999_999_999_999_999_980


@pytest.mark.parametrize("name", [b"\0", b"\x1b[31m", b"a\x07b", b"\xed\xa0\x80", b"]]>", b"</script>"])
def test_names_keep_any_bytes(name: bytes) -> None:
    assert (
        list(read(b"main;%s 1\n" % name).names) == [b"", b"main", name]
        or name in read(b"%s 1\n" % name).names
    )


def test_marks_of_the_kind_of_a_frame_are_part_of_its_name() -> None:
    assert stacks(b"a_[k];b_[j] 2\na;b 1\n") == {("a_[k]", "b_[j]"): 2, ("a", "b"): 1}


def test_a_long_line_is_read() -> None:
    name = b"x" * 10_000_000
    profile = read(b"a 1\nb;%s 2\n" % name)
    assert profile.total == 3
    assert name in profile.names


@pytest.mark.parametrize("mark", [b"", "\ufeff".encode("utf-16-le")])
def test_a_line_without_end_is_refused_with_its_number(mark: bytes) -> None:
    text = "a 1\n" + "x" * (LONGEST_LINE + 10)
    with pytest.raises(InputError, match=r"line 2 .* longer than 16 MiB"):
        read(mark + text.encode("utf-16-le" if mark else "utf-8"))


@pytest.mark.parametrize("line", [b"x" * LONGEST_LINE + b" 2\n", b"x" * LONGEST_LINE + b";known 1\n"])
def test_a_line_too_long_is_refused_from_wherever_it_comes(line: bytes, tmp_path: Path) -> None:
    data = b"main;known 1\n" + line
    path = tmp_path / "long.folded"
    path.write_bytes(data)
    for source in (path, io.BytesIO(data)):
        with pytest.raises(InputError, match=r"line 2 .* longer than 16 MiB"):
            read_folded(source)


def test_deep_stacks_are_read_in_time_that_grows_with_depth() -> None:
    deep = b";".join(b"f%d" % at for at in range(50_000))
    short = b";".join(b"f%d" % at for at in range(10))
    profile = read(b"%s 1\n%s 2\n%s;g 4\n%s 8\n%s;g 16\n" % (short, deep, deep, deep, short))
    assert (len(profile), profile.total) == (50_003, 31)
    assert max(len(frames) for frames, _ in profile.stacks()) == 50_001


def test_a_stack_deeper_than_any_is_refused_with_its_line() -> None:
    with pytest.raises(InputError, match=r"line 3 has more than 100,000 frames"):
        read(b"a 1\nb 1\n" + b"f;" * 100_000 + b"f 1\n")


def test_two_counts_a_line_are_read_only_when_asked_for() -> None:
    data = b"a;b 2 3\na 0 5\r\nc 1.5 1\n\nd 7\ne x 7\n"
    base, new = read_differential(io.BytesIO(data))
    assert dict(base.stacks()) == {("a", "b"): 2, ("c",): 1.5}
    assert dict(new.stacks()) == {("a", "b"): 3, ("a",): 5, ("c",): 1}
    assert base.metadata == new.metadata == {"invalid_lines": "2", "invalid_line_numbers": "5, 6"}
    assert stacks(b"a;b 2 3\n") == {("a", "b 2"): 3}


def test_two_counts_of_nothing_are_two_empty_profiles() -> None:
    assert [profile.total for profile in read_differential(io.BytesIO(b""))] == [0, 0]
    with pytest.raises(InputError, match="no folded stack"):
        read_differential(io.BytesIO(b"a 1\n"))


@pytest.mark.parametrize("name", [b"\x1f\x8b", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
def test_a_name_like_the_mark_of_another_encoding_comes_back(name: bytes) -> None:
    before = read(b"\n%sa;b 2\n%sa 1\n" % (name, name))
    written = io.BytesIO()
    write_folded(before, written)
    again = read(written.getvalue())
    assert (again.total, set(again.names)) == (3, set(before.names))


def test_a_compressed_file_is_read() -> None:
    assert stacks(gzip.compress(b"a;b 2\n")) == {("a", "b"): 2}


def test_a_file_without_one_stack_is_refused() -> None:
    with pytest.raises(InputError, match=r"none of its 2 lines"):
        read(b"<html>\n</html>\n")


def test_line_numbers_hold_beyond_the_first_chunk() -> None:
    lines = b"main;work;%06d 1\n" * 60_000 % tuple(range(60_000))
    profile = read(lines + b"broken\n")
    assert profile.total == 60_000
    assert profile.metadata["invalid_line_numbers"] == "60001"


def test_writing_nothing_writes_nothing() -> None:
    out = io.BytesIO()
    write_folded(Profile.from_stacks([]), out)
    assert out.getvalue() == b""


def test_writing_to_text_and_to_bytes(tmp_path: Path) -> None:
    profile = Profile.from_stacks([(("é", "b"), 2), (("a",), 1.5)])
    expected = "a 1.5\né;b 2\n"
    out = io.BytesIO()
    write_folded(profile, out)
    assert out.getvalue() == expected.encode()
    with (tmp_path / "out").open("w", encoding="utf-8") as file:
        write_folded(profile, file)
    assert (tmp_path / "out").read_text(encoding="utf-8") == expected


def test_what_the_format_cannot_hold_is_replaced() -> None:
    out = io.StringIO()
    write_folded(Profile.from_stacks([(("a;b", "c\nd\r"), 1)]), out)
    assert out.getvalue() == "a:b;c d  1\n"


def test_fractions_are_written_in_full() -> None:
    out = io.StringIO()
    write_folded(Profile.from_stacks([(("a",), 1e-7)]), out)
    assert out.getvalue() == "a 0.0000001\n"


@given(profiles)
def test_what_is_written_reads_back(known: dict[tuple[str, ...], float]) -> None:
    out = io.BytesIO()
    write_folded(Profile.from_stacks(known.items()), out)
    assert dict(read(out.getvalue()).stacks()) == known


@given(profiles, st.randoms(use_true_random=False))
def test_order_of_lines_does_not_change_what_is_written(
    known: dict[tuple[str, ...], float], random: Random
) -> None:
    one, other = io.BytesIO(), io.BytesIO()
    write_folded(Profile.from_stacks(known.items()), one)
    lines = one.getvalue().split(b"\n")[:-1]
    random.shuffle(lines)
    write_folded(read(b"\n".join(lines)), other)
    assert other.getvalue() == one.getvalue()


@given(st.binary())
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        total = read(data).total
    except InputError:
        total = 0
    assert total >= 0


@pytest.mark.parametrize("data", [b"a;b 1\rc;d 2\r", b"a 1.5\rb 2", b"a 1\rb 2\r\n"])
def test_lines_that_end_in_carriage_returns_alone_are_refused(data: bytes) -> None:
    with pytest.raises(InputError, match="carriage returns alone"):
        read(data)


def test_headers_of_austin_are_no_stacks() -> None:
    data = b"# austin: 3.7.0\n# interval: 100\n# mode: wall\nP1;T1;main (a.py:1) 4\nx;# n: 5\n# odd;a 2\n"
    profile = read(data)
    assert dict(profile.stacks()) == {
        ("P1", "T1", "main (a.py:1)"): 4,
        ("x", "# n:"): 5,
        ("# odd", "a"): 2,
    }
    assert profile.metadata == {}
