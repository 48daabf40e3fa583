import gzip
import io
import os
import re
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flamegraph import InputError, OptionError, OutputError, Profile
from flamegraph.formats import read, write
from flamegraph.formats.protobuf import bytes_field, number_field, numbers_field

STRINGS = b"|samples|count|cpu|nanoseconds|f|a.py|g|thread|main|/lib/x.so|tid".split(b"|")
STRING_TABLE = b"".join(bytes_field(6, text) for text in STRINGS)
TYPES = bytes_field(1, number_field(1, 1) + number_field(2, 2)) + bytes_field(
    1, number_field(1, 3) + number_field(2, 4)
)


def function(number: int, name: int, file: int = 0) -> bytes:
    return bytes_field(5, number_field(1, number) + number_field(2, name) + number_field(4, file))


def line(function: int, number: int = 0) -> bytes:
    return bytes_field(4, number_field(1, function) + number_field(2, number))


def location(number: int, *lines: bytes, address: int = 0, mapping: int = 0) -> bytes:
    head = number_field(1, number) + number_field(2, mapping) + number_field(3, address)
    return bytes_field(4, head + b"".join(lines))


def sample(locations: list[int], *values: int, labels: bytes = b"") -> bytes:
    return bytes_field(2, numbers_field(1, locations) + numbers_field(2, values) + labels)


FUNCTIONS = function(1, 5, 6) + function(2, 7)
LOCATIONS = location(1, line(1, 12)) + location(2, line(2))
WHOLE = TYPES + sample([1, 2], 3, 3000) + sample([2], 1, 1500) + LOCATIONS + FUNCTIONS + STRING_TABLE


def parsed(data: bytes, **options: Any) -> Profile:
    return read(io.BytesIO(data), format="pprof", **options)


def written(profile: Profile) -> bytes:
    file = io.BytesIO()
    write(profile, file, "pprof")
    return file.getvalue()


def test_an_empty_file_is_a_sentence() -> None:
    for data in (b"", gzip.compress(b"")):
        with pytest.raises(InputError, match="empty"):
            parsed(data)


def test_a_profile_without_samples_is_empty() -> None:
    assert parsed(TYPES + STRING_TABLE).total == 0


def test_stacks_are_read_outermost_first() -> None:
    profile = parsed(WHOLE, sample_type="samples")
    assert dict(profile.stacks()) == {("g", "f (a.py:12)"): 3, ("g",): 1}
    assert profile.unit == "samples"


def test_the_last_sample_type_is_the_default() -> None:
    profile = parsed(WHOLE)
    assert dict(profile.stacks()) == {("g", "f (a.py:12)"): 3, ("g",): 1.5}
    assert (profile.unit, profile.metadata["sample_type"]) == ("microseconds", "cpu")


def test_the_number_of_samples_is_told_with_other_weights() -> None:
    assert parsed(WHOLE).metadata["samples"] == "4"
    assert "samples" not in parsed(WHOLE, sample_type="samples").metadata


def test_a_file_may_name_its_default() -> None:
    assert parsed(WHOLE + number_field(14, 1)).unit == "samples"


def test_the_time_that_was_profiled_is_told() -> None:
    assert parsed(WHOLE + number_field(10, 2_500_000_000)).metadata["seconds"] == "2.5"
    assert "seconds" not in parsed(WHOLE).metadata


@pytest.mark.parametrize("asked", ["samples", 0, "0"])
def test_sample_types_are_chosen_by_name_or_index(asked: str | int) -> None:
    assert parsed(WHOLE, sample_type=asked).total == 4


@pytest.mark.parametrize("asked", ["heap", 2, "2", -1])
def test_an_unknown_sample_type_is_a_sentence(asked: str | int) -> None:
    with pytest.raises(OptionError, match="the file has samples, cpu"):
        parsed(WHOLE, sample_type=asked)


def test_fields_may_come_in_any_order() -> None:
    data = number_field(9, 1) + STRING_TABLE + FUNCTIONS + LOCATIONS + sample([1], 1, 2000) + TYPES
    assert dict(parsed(data).stacks()) == {("f (a.py:12)",): 2}
    assert read(io.BytesIO(number_field(9, 77) + WHOLE)).total == 4.5


def test_numbers_need_not_be_packed() -> None:
    one = number_field(1, 1) + number_field(1, 2) + number_field(2, 1) + number_field(2, 1000)
    data = TYPES + bytes_field(2, one) + LOCATIONS + FUNCTIONS + STRING_TABLE
    assert dict(parsed(data).stacks()) == {("g", "f (a.py:12)"): 1}


def test_inlined_functions_stand_below_their_caller() -> None:
    data = TYPES + sample([1], 1, 1000) + location(1, line(2), line(1, 3)) + FUNCTIONS + STRING_TABLE
    assert dict(parsed(data).stacks()) == {("f (a.py:3)", "g"): 1}


def test_an_address_without_symbol_is_named_by_its_mapping() -> None:
    mapping = bytes_field(3, number_field(1, 1) + number_field(5, 10))
    data = TYPES + sample([1, 2], 1, 1000) + mapping + location(1, address=0x7F12, mapping=1)
    data += location(2, address=16) + STRING_TABLE
    assert dict(parsed(data).stacks()) == {("0x10", "0x7f12 (x.so)"): 1}


def test_labels_become_frames_on_request() -> None:
    thread = bytes_field(3, number_field(1, 8) + number_field(2, 9))
    number = bytes_field(3, number_field(1, 11) + number_field(3, 7))
    data = TYPES + sample([2], 1, 1000, labels=thread + number) + sample([2], 1, 1000)
    data += LOCATIONS + FUNCTIONS + STRING_TABLE
    assert dict(parsed(data).stacks()) == {("g",): 2}
    assert parsed(data, labels="thread").top(9)[-1].name == "thread: main"
    assert dict(parsed(data, labels=("thread", "tid")).stacks()) == {
        ("thread: main", "tid: 7", "g"): 1,
        ("g",): 1,
    }


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (STRING_TABLE, "names no sample type"),
        (TYPES + sample([3], 1, 1) + LOCATIONS + FUNCTIONS + STRING_TABLE, "Sample 1 refers to location 3"),
        (TYPES + sample([0], 1, 1) + STRING_TABLE, "Sample 1 refers to location 0"),
        (TYPES + sample([1], 1, 1) + LOCATIONS + STRING_TABLE, "Location 1 refers to function 1"),
        (TYPES + sample([1], 1, 1) + location(1, mapping=9) + STRING_TABLE, "Location 1 refers to mapping 9"),
        (TYPES + sample([1], 1) + LOCATIONS + STRING_TABLE, "Sample 1 has 1 values"),
        (TYPES + sample([1], 1, -5) + LOCATIONS + STRING_TABLE, "Sample 1 weighs -5"),
        (TYPES, "refers to string 1; the file has 0 strings"),
        (WHOLE + location(1), "location 1 at byte \\d+ is defined twice"),
        (WHOLE + function(0, 1), "has no number"),
        (WHOLE + number_field(2, 5), "should hold bytes"),
        (WHOLE + bytes_field(4, bytes_field(1, b"")), "should be a number"),
        (WHOLE + b"\x0b", "no field of a known kind"),
        (WHOLE + b"\x12\x80", "breaks off"),
        (WHOLE + b"\x12\x7f", "ends early"),
        (WHOLE + b"\xff" * 20, "breaks off"),
        (TYPES + bytes_field(2, bytes_field(2, b"\x80" * 500)) + STRING_TABLE, "holds no numbers"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(data: bytes, place: str) -> None:
    with pytest.raises(InputError, match=place):
        parsed(data)


@pytest.mark.parametrize("data", [WHOLE[:-1], gzip.compress(WHOLE, mtime=0)[:-9]])
def test_a_file_cut_off_is_a_sentence(data: bytes) -> None:
    with pytest.raises(InputError, match="ends early"):
        parsed(data)


@pytest.mark.parametrize("keep", range(1, len(WHOLE)))
def test_a_file_cut_off_anywhere_is_read_or_refused(keep: int) -> None:
    with suppress(InputError):
        assert parsed(WHOLE[:keep]).total <= 4.5


@given(st.data())
def test_damaged_files_are_read_or_refused(data: st.DataObject) -> None:
    damaged = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(WHOLE) - 1))] = data.draw(st.integers(0, 255))
    with suppress(InputError):
        parsed(bytes(damaged))


def test_deep_stacks_need_no_call_stack() -> None:
    deep = Profile.from_stacks([(["f", "g (a.py:1)"] * 25_000, 1)])
    assert dict(parsed(written(deep)).stacks()) == dict(deep.stacks())


def test_equal_profiles_are_equal_bytes() -> None:
    stacks = [(("a", "b"), 1), (("a",), 2)]
    assert written(Profile.from_stacks(stacks)) == written(Profile.from_stacks(stacks))


def test_metadata_and_unit_survive() -> None:
    before = Profile.from_stacks([(("a",), 1)], "bytes", {"sample_type": "inuse", "engine": "x: y"})
    after = parsed(written(before))
    assert (after.unit, after.metadata) == ("bytes", before.metadata)


@pytest.mark.parametrize("unit", ["samples", "bytes", "microseconds"])
@given(weights=st.lists(st.floats(1e-3, 1e6) | st.integers(1, 10**6), min_size=1, max_size=5))
def test_fractions_survive(unit: str, weights: list[float]) -> None:
    before = Profile.from_stacks([((f"f{at}",), weight) for at, weight in enumerate(weights)], unit)
    after = parsed(written(before))
    assert after.unit == unit
    assert dict(after.stacks()) == pytest.approx(dict(before.stacks()), rel=1e-9)


def test_short_fractions_survive_to_the_digit() -> None:
    before = Profile.from_stacks([(("a",), 0.1), (("b",), 1234.567)])
    assert dict(parsed(written(before)).stacks()) == dict(before.stacks())


def test_names_of_any_bytes_survive() -> None:
    before = Profile([-1, 0, 1], [0, 1, 2], [0, 1, 2], [b"", b"\xff\0 (x:1)", b"\xed\xa0\x80"])
    assert list(parsed(written(before)).names) == list(before.names)


def test_weights_beyond_63_bits_are_refused() -> None:
    with pytest.raises(OutputError, match="pprof holds at most"):
        written(Profile.from_stacks([(("a",), 1 << 62), (("b",), 1 << 62)]))


@pytest.fixture
def go() -> str:
    found = shutil.which("go")
    if not found:
        pytest.skip("go is not installed; its pprof cannot be asked")
    return found


@pytest.mark.timeout(300)
def test_go_agrees_on_the_hottest_functions(go: str, tmp_path: Path) -> None:
    stacks = [
        (("<module>", "main", "work", "work"), 500),
        (("<module>", "main", "work"), 250),
        (("<module>", "main", "<listcomp>"), 200),
        (("<module>", "std::vector<int>::push_back(int const&)"), 50),
    ]
    profile = Profile.from_stacks(stacks)
    path = tmp_path / "profile.pb.gz"
    path.write_bytes(written(profile))
    environment = os.environ | {"PPROF_TMPDIR": str(tmp_path), "GOFLAGS": "-mod=mod"}
    command = [go, "tool", "pprof", "-top", "-nodefraction=0", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if "no such tool" in done.stderr:
        pytest.skip("this go has no pprof")
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^ *(\d+) +[\d.]+% +[\d.]+% +(\d+) +[\d.]+%  (.*)$", done.stdout, re.MULTILINE)
    assert {name: (int(own), int(whole)) for own, whole, name in rows} == {
        hot.name: (hot.self, hot.total) for hot in profile.top(10)
    }


def test_frames_that_stand_for_labels_are_written_as_labels() -> None:
    stacks = [
        (("request: GET /", "main", "work"), 3),
        (("main",), 1),
        (("main", "request: not outermost"), 2),
    ]
    profile = Profile.from_stacks(stacks, metadata={"labels": "request,user"})
    file = io.BytesIO()
    write(profile, file, "pprof")
    bare = read(io.BytesIO(file.getvalue()))
    assert dict(bare.stacks()) == {
        ("main", "work"): 3,
        ("main",): 1,
        ("main", "request: not outermost"): 2,
    }
    again = read(io.BytesIO(file.getvalue()), labels="request")
    assert dict(again.stacks()) == dict(stacks)
    assert b"request: GET /" not in gzip.decompress(file.getvalue())


def test_several_labels_stay_in_their_order() -> None:
    stacks = [(("user: me", "request: GET /", "main"), 3)]
    file = io.BytesIO()
    write(Profile.from_stacks(stacks, metadata={"labels": "request,user"}), file, "pprof")
    again = read(io.BytesIO(file.getvalue()), labels=("user", "request"))
    assert dict(again.stacks()) == dict(stacks)


def test_samples_of_a_known_period_are_time_too() -> None:
    before = Profile.from_stacks(
        [(("a", "b"), 3), (("a",), 1)],
        metadata={"period_ns": "10000000", "period_type": "wall", "engine": "x"},
    )
    data = written(before)
    time = parsed(data)
    assert (time.unit, dict(time.stacks())) == ("microseconds", {("a", "b"): 30_000, ("a",): 10_000})
    assert time.metadata == {"sample_type": "wall", "engine": "x", "samples": "4"}
    counts = parsed(data, sample_type="samples")
    assert dict(counts.stacks()) == dict(before.stacks())
    assert counts.metadata == {"sample_type": "samples", **before.metadata}
    assert written(counts) == data


@pytest.mark.parametrize("period", ["", "0", "-1", "x", "1.5", "9" * 30, str(1 << 61)])
def test_a_period_that_tells_no_time_is_left_out(period: str) -> None:
    profile = Profile.from_stacks([(("a",), 8)], metadata={"period_ns": period})
    assert dict(parsed(written(profile)).stacks()) == {("a",): 8}


def test_only_samples_have_a_period() -> None:
    profile = Profile.from_stacks([(("a",), 8)], unit="bytes", metadata={"period_ns": "10"})
    again = parsed(written(profile))
    assert (again.unit, dict(again.stacks())) == ("bytes", {("a",): 8})
