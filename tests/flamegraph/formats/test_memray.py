import io
import subprocess
import sys
from pathlib import Path

import pytest

from flamegraph import InputError, OptionError
from flamegraph.formats import read
from flamegraph.formats.memray import MODES

pytest.importorskip("memray", reason="memray is not installed")

PROGRAM = """
import sys, memray
destination = memray.FileDestination(sys.argv[1], overwrite=True, compress_on_exit=sys.argv[3] == "yes")
def holder(): return bytearray(5_000_000)
def waster(): return len(bytearray(3_000_000))
with memray.Tracker(destination=destination, file_format=memray.FileFormat[sys.argv[2]]):
    kept = holder()
    for _ in range(3): waster()
"""
SIZES = {"peak": (5e6, 3e6), "leaked": (5e6, 0), "temporary": (0, 9e6), "all": (5e6, 9e6)}


def capture(folder: Path, form: str, compressed: str = "no") -> Path:
    path = folder / "capture"
    subprocess.run([sys.executable, "-c", PROGRAM, path, form, compressed], check=True, capture_output=True)
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return capture(tmp_path_factory.mktemp("whole"), "ALL_ALLOCATIONS", "yes")


@pytest.fixture(scope="module")
def sums(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return capture(tmp_path_factory.mktemp("sums"), "AGGREGATED_ALLOCATIONS")


def weight_of(profile_path: Path, function: str, mode: str) -> float:
    profile = read(profile_path, mode=mode)
    assert (profile.unit, profile.metadata["mode"]) == ("bytes", mode)
    return sum(weight for frames, weight in profile.stacks() if f"{function} (<string>:" in frames[-1])


@pytest.mark.parametrize("mode", MODES)
def test_each_mode_has_its_bytes(whole: Path, mode: str) -> None:
    held, wasted = SIZES[mode]
    assert weight_of(whole, "holder", mode) == pytest.approx(held, rel=0.01)
    assert weight_of(whole, "waster", mode) == pytest.approx(wasted, rel=0.01)


@pytest.mark.parametrize("mode", ["peak", "leaked"])
def test_sums_tell_peak_and_leaks(sums: Path, mode: str) -> None:
    assert weight_of(sums, "holder", mode) == pytest.approx(5e6, rel=0.01)


@pytest.mark.parametrize("mode", ["temporary", "all"])
def test_sums_do_not_tell_single_allocations(sums: Path, mode: str) -> None:
    with pytest.raises(InputError, match="Ask for peak or leaked"):
        read(sums, mode=mode)


def test_a_stream_is_read(whole: Path) -> None:
    assert read(io.BytesIO(whole.read_bytes())).total == read(whole).total


def test_an_unknown_mode_is_refused(whole: Path) -> None:
    with pytest.raises(OptionError, match="peak, leaked, temporary, all"):
        read(whole, mode="most")


def test_another_file_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    for data in (b"", b"memray", b"memray" + bytes(100), b"main;work 1\n"):
        path.write_bytes(data)
        with pytest.raises(InputError, match="capture"):
            read(path, format="memray")


def test_a_file_cut_off_is_read_as_far_as_it_goes_or_refused(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(whole.read_bytes()[:200])
    with pytest.raises(InputError, match="cannot be read"):
        read(path)


def test_without_memray_it_says_what_to_install(whole: Path) -> None:
    program = (
        "import sys; sys.modules['memray'] = None\n"
        "from flamegraph import FlamegraphError, formats\n"
        "try: formats.read(sys.argv[1])\n"
        "except FlamegraphError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, whole], capture_output=True, text=True, check=True)
    assert "install memray" in done.stdout
