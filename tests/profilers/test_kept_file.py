import gzip
import io
from pathlib import Path

import pytest

import flamegraph
from diag.errors import Damaged
from diag.profilers.kept_file import joined, parted, read_about
from tests.profilers.profiles import about, content


def place(id_: str) -> Path:
    return Path(f"{id_}.pb.gz")


@pytest.mark.parametrize("cut", [0, 1, 10, 19, 60])
def test_a_file_that_was_cut_off_in_its_head_is_damaged(cut: int) -> None:
    told = about()
    with pytest.raises(Damaged, match=told.id):
        parted(place(told.id), joined(told, content())[:cut])


def test_a_profile_and_its_account_come_back_as_they_were() -> None:
    told, packed = about("before"), content()
    file = joined(told, packed)
    assert parted(place(told.id), file) == (told, packed)
    assert read_about(place(told.id), io.BytesIO(file)) == told


def test_the_file_is_gzipped_pprof_to_any_tool() -> None:
    file = joined(about(), content())
    assert gzip.decompress(file) == gzip.decompress(content())
    assert flamegraph.read(io.BytesIO(file)).total == 4


@pytest.mark.parametrize("at", [0, 2, 3, 11, 12, 13, 14, 20, 21])
def test_a_changed_byte_of_the_head_is_damage(at: int) -> None:
    told = about()
    file = bytearray(joined(told, content()))
    file[at] ^= 0xFF
    with pytest.raises(Damaged):
        parted(place(told.id), bytes(file))


def test_a_file_under_another_id_is_damage() -> None:
    with pytest.raises(Damaged, match="it says that it is"):
        parted(place(about().id), joined(about(), content()))


def test_gzip_of_another_program_is_damage() -> None:
    with pytest.raises(Damaged, match="not one of ours"):
        parted(place(about().id), content())
