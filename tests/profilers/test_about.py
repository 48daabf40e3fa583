import json

import pytest

from diag.errors import InvalidRequest
from diag.profilers.about import About, Load, checked_key, checked_name, is_id, new_id
from tests.profilers.profiles import about, capture


def test_an_empty_profile_has_an_account() -> None:
    empty = About.of(
        capture(b"", samples=0, notes=()), id_=new_id(0.0), name=None, node_id=0, nodes=(), version=""
    )
    assert About.from_json(empty.as_json()) == empty
    assert empty.capture(b"").samples == 0


def test_a_capture_survives_its_account() -> None:
    taken = capture()
    assert about().capture(taken.folded) == taken


def test_an_account_is_one_line_of_json_that_reads_back() -> None:
    told = about("before-upgrade", notes=("Line\nbreak é.",))
    assert b"\n" not in told.as_json()
    assert About.from_json(told.as_json()) == told


def test_what_a_later_version_adds_is_left_out() -> None:
    told = about()
    later = {**told.as_dict(), "later": 1}
    assert About.from_json(json.dumps(later).encode()) == told


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{}", b"{", b'{"id":"../x"}', b'{"notes":3}', b"\xff", b'{"load":{"x":1}}']
)
def test_what_is_no_account_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        About.from_json(text)


@pytest.mark.parametrize("field", ["id", "name"])
def test_an_account_with_a_path_for_a_name_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match="none"):
        About.from_json(json.dumps({**about().as_dict(), field: "../etc"}).encode())


def test_notes_too_long_for_a_file_s_head_are_cut() -> None:
    told = about(notes=("short", "x" * 30_000, "never reached"))
    assert told.notes == ("short", "Further notes were too long to keep.")


def test_ids_sort_by_time_and_are_no_names() -> None:
    ids = [new_id(when) for when in (0.0, 0.001, 1.0, 1_800_000_000.25)]
    assert ids == sorted(ids)
    assert ids[-1].startswith("20270115T080000250-")
    for id_ in ids:
        assert is_id(id_)
        assert checked_key(id_) == id_
        with pytest.raises(InvalidRequest):
            checked_name(id_)


@pytest.mark.parametrize("name", ["a", "before-upgrade", "V1.2_3", "x" * 64])
def test_a_name(name: str) -> None:
    assert checked_name(name) == name
    assert checked_key(name) == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../a", "a/b", "a\\b", "a b", "-a", "1a", "a\n", "é", "x" * 65, "a\0", "%2e"]
)
def test_what_is_no_name_is_refused_with_the_pattern(name: str) -> None:
    for check in (checked_name, checked_key):
        with pytest.raises(InvalidRequest, match="before-upgrade"):
            check(name)


def test_load_is_unknown_where_nobody_counts() -> None:
    assert about().load == Load(None, None, None)
