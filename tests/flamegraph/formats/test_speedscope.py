import io
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flamegraph import InputError, OptionError, Profile
from flamegraph.formats import read, write

FRAMES = [
    {"name": "a"},
    {"name": "b", "file": "b.py", "line": 3},
    {"name": "c", "file": "c.js", "line": 1, "col": 9},
]


def sampled(samples: Any, weights: Any, **more: Any) -> dict[str, Any]:
    return {"type": "sampled", "name": "p", "unit": "none", "samples": samples, "weights": weights, **more}


def evented(*events: tuple[str, int, float], **more: Any) -> dict[str, Any]:
    opened = [{"type": kind, "frame": frame, "at": at} for kind, frame, at in events]
    return {"type": "evented", "name": "p", "unit": "none", "startValue": 0, "events": opened, **more}


def document(*profiles: Any, **more: Any) -> bytes:
    return json.dumps({"shared": {"frames": FRAMES}, "profiles": list(profiles), **more}).encode()


def parsed(data: bytes, **options: Any) -> Profile:
    return read(io.BytesIO(data), format="speedscope", **options)


def stacks(data: bytes, **options: Any) -> dict[tuple[str, ...], float]:
    return dict(parsed(data, **options).stacks())


def written(profile: Profile) -> bytes:
    file = io.BytesIO()
    write(profile, file, "speedscope")
    return file.getvalue()


def test_no_profiles_are_an_empty_profile() -> None:
    assert parsed(document()).total == 0
    assert parsed(document(sampled([], []))).total == 0
    assert parsed(document(evented())).total == 0


def test_samples_are_stacks_and_weights() -> None:
    data = document(sampled([[0, 1], [0], [0, 2], [0, 1]], [1, 2, 4, 8]))
    assert stacks(data) == {("a", "b (b.py:3)"): 9, ("a",): 2, ("a", "c (c.js:1:9)"): 4}


def test_events_are_times_between_them() -> None:
    events = [("O", 0, 1), ("O", 1, 3), ("C", 1, 6), ("C", 0, 7), ("O", 0, 10), ("C", 0, 11)]
    data = document(evented(*events, unit="milliseconds"))
    assert stacks(data) == {("a",): 4000, ("a", "b (b.py:3)"): 3000}
    assert parsed(data).unit == "microseconds"


def test_frames_open_at_the_end_last_until_then() -> None:
    assert stacks(document(evented(("O", 0, 2), endValue=9))) == {("a",): 7}


def test_profiles_of_one_unit_are_added_up() -> None:
    data = document(
        sampled([[0]], [1], name="one"), sampled([[0]], [2], name="two"), sampled([[0]], [4], unit="bytes")
    )
    assert stacks(data) == {("a",): 3}
    assert stacks(data, sample_type="two") == stacks(data, sample_type=1) == {("a",): 2}
    assert stacks(data, labels=("thread",)) == {("thread: one", "a"): 1, ("thread: two", "a"): 2}
    assert parsed(data, sample_type="2").unit == "bytes"
    with pytest.raises(OptionError, match="the file has one, two, p"):
        parsed(data, sample_type="three")


def test_nanoseconds_become_microseconds() -> None:
    data = document(sampled([[0], [1]], [3000, 1], unit="nanoseconds"))
    assert list(stacks(data).values()) == [3, 0.001]


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"", "no whole JSON"),
        (b"{", "no whole JSON"),
        (b"[" * 100_000, "no whole JSON"),
        (b"\xff\xfe\0", "no whole JSON"),
        (b"[]", "the document should be an object"),
        (b"{}", "no file of speedscope"),
        (b'{"traceEvents": []}', "no file of speedscope"),
        (b'{"profiles": []}', "shared should be an object"),
        (b'{"shared": {"frames": [{}]}, "profiles": []}', r"shared.frames\[0\].name is None"),
        (b'{"shared": {"frames": []}}', "profiles should be a list"),
        (document(1), r"profiles\[0\] should be an object"),
        (document({"type": "x", "unit": "none"}), r"profiles\[0\].type is 'x'"),
        (document(sampled([], [], unit="bits")), "unit is 'bits'"),
        (document(sampled([[0]], [])), "1 samples and 0 weights"),
        (document(sampled([0], [1])), r"profiles\[0\].samples\[0\] should be a list"),
        (
            document(sampled([[3]], [1])),
            r"profiles\[0\].samples\[0\] refers to frame 3; the file has 3 frames",
        ),
        (document(sampled([[-1]], [1])), "refers to frame -1"),
        (document(sampled([[True]], [1])), "refers to frame True"),
        (document(sampled([[0]], [-1])), r"profiles\[0\].weights\[0\] is -1"),
        (document(sampled([[0]], [float("nan")])), "is nan; it should be a finite number"),
        (document(sampled([[0]], [float("inf")])), "is inf; it should be a finite number"),
        (document(sampled([[0]], [10**400])), "finite number"),
        (document(sampled([[0]], ["1"])), "should be a finite number"),
        (document(evented(("C", 0, 1))), r"profiles\[0\].events\[0\] closes"),
        (document(evented(("O", 0, 1), ("C", 1, 2))), r"profiles\[0\].events\[1\] closes"),
        (document(evented(("O", 0, 2), ("C", 0, 1))), r"profiles\[0\].events\[1\] lies before"),
        (document(evented(("X", 0, 2))), "should be 'O' or 'C'"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(data: bytes, place: str) -> None:
    with pytest.raises(InputError, match=place):
        parsed(data)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-2, 5)
        | st.floats()
        | st.sampled_from(["sampled", "O", "none"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["type", "unit", "samples", "weights", "events", "frame", "at", "name"]),
                inner,
            )
        ),
    )
)
def test_any_json_is_read_or_refused(value: Any) -> None:
    with suppress(InputError):
        assert parsed(document(value)).total >= 0
    with suppress(InputError):
        parsed(json.dumps({"shared": value, "profiles": value}).encode())


def test_deep_stacks_need_no_call_stack() -> None:
    deep = Profile.from_stacks([(["f", "g (a.py:1)"] * 25_000, 1)])
    assert stacks(written(deep)) == dict(deep.stacks())


def test_what_is_written_has_what_its_importer_needs() -> None:
    profile = Profile.from_stacks([(("a (a.py:1)", "b"), 2), ((), 1)], "bytes", {"name": "mine"})
    written_ = json.loads(written(profile))
    assert written_["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    assert written_["shared"]["frames"] == [{"name": "a", "file": "a.py", "line": 1}, {"name": "b"}]
    [only] = written_["profiles"]
    assert {key: only[key] for key in ("type", "name", "unit", "startValue", "endValue")} == {
        "type": "sampled",
        "name": "mine",
        "unit": "bytes",
        "startValue": 0,
        "endValue": 3,
    }
    assert sorted(zip(only["samples"], only["weights"], strict=True)) == [([], 1), ([0, 1], 2)]


@pytest.mark.parametrize("unit", ["samples", "bytes", "microseconds"])
@given(weights=st.lists(st.floats(1e-9, 1e9) | st.integers(1, 1 << 62), min_size=1, max_size=5))
def test_weights_and_units_survive(unit: str, weights: list[float]) -> None:
    before = Profile.from_stacks(
        [((f"f{at}",), weight) for at, weight in enumerate(weights)], unit, {"x": "y"}
    )
    after = parsed(written(before))
    assert (after.unit, after.metadata) == (unit, {"x": "y"})
    assert dict(after.stacks()) == dict(before.stacks())


def test_names_of_any_bytes_survive() -> None:
    before = Profile([-1, 0, 1], [0, 1, 2], [0, 1, 2], [b"", b"\xff\0 (x:1)", b"\xed\xa0\x80"])
    assert list(parsed(written(before)).names) == list(before.names)


def test_lone_surrogates_are_names() -> None:
    data = document(sampled([[0]], [1])).replace(b'"a"', b'"\\ud800\\u0000"')
    assert parsed(data).names[1] == b"\xed\xa0\x80\0"


def test_the_samples_of_speedscope_itself_are_read() -> None:
    folder = os.environ.get("SPEEDSCOPE_SAMPLES")
    if not folder:
        pytest.skip("SPEEDSCOPE_SAMPLES does not name the sample profiles of speedscope")
    files = sorted(Path(folder).glob("speedscope/*.*/*.json"))
    simple = {("a", "b"): 5, ("a", "b", "c"): 5, ("a", "b", "d"): 4}
    assert files
    for file in files:
        profile = read(file, sample_type=0)
        scale = {"samples": 1, "microseconds": 1_000_000}[profile.unit]
        assert {stack: weight / scale for stack, weight in profile.stacks()} == simple, file
    with pytest.raises(InputError, match="innermost open one"):
        read(Path(folder) / "speedscope" / "invalid" / "out-of-order-events.json")
    assert dict(read(Path(folder) / "stackcollapse" / "simple-utf16-le.txt").stacks()) == simple
    assert read(Path(folder) / "pprof" / "simple.prof").total == 1_500_000
