import asyncio
import gzip
import io
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from diag.errors import Conflict, Damaged, InvalidRequest
from diag.profilers.about import Load
from diag.profilers.keeper import Keeper
from diag.profilers.repack import IN_PROCESS_BYTES, IN_PROCESS_PACKED
from diag.profilers.shelf import Shelf
from flamegraph import Profile
from flamegraph.formats import write
from tests.profilers.profiles import FOLDED, capture, content

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    return Keeper(Shelf(tmp_path / "profiles", 10, 1 << 24), node_id=7, version="1.2.3")


def large() -> bytes:
    lines = [f"main (a.py:1);work{n} (a.py:{n});leaf{n * 7919} (b.py:{n}) {n + 1}\n" for n in range(9000)]
    return "".join(sorted(lines)).encode()


async def test_an_empty_profile_is_kept_too(keeper: Keeper) -> None:
    kept = await keeper.keep(capture(b"", samples=0), None, (7,), Load())
    assert kept.about is not None
    assert (await keeper.capture(kept.about.id))[1] == capture(b"", samples=0)


async def test_a_capture_comes_back_as_it_was(keeper: Keeper) -> None:
    kept = await keeper.keep(capture(), "before", (1, 2), Load())
    about, again = await keeper.capture("before")
    assert again == capture()
    assert (about.name, about.node_id, about.nodes, about.version) == ("before", 7, (1, 2), "1.2.3")
    assert about == kept.about
    assert abs(time.time() - capture().seconds - about.when) < 60


async def test_a_large_one_goes_the_same_way_through_children(keeper: Keeper) -> None:
    folded = large()
    assert len(folded) > IN_PROCESS_BYTES
    kept = await keeper.keep(capture(folded), None, (7,), Load())
    assert kept.about is not None
    assert len((await keeper.packed(kept.about.id))[1]) > IN_PROCESS_PACKED
    again = (await keeper.capture(kept.about.id))[1].folded
    assert sorted(again.splitlines()) == sorted(folded.splitlines())


async def test_the_load_is_what_happened_meanwhile(tmp_path: Path) -> None:
    loads = iter([Load(100, 0.5, 2.0), Load(142, 0.25, 3.5)])
    keeper = Keeper(Shelf(tmp_path, 10, 1 << 20), node_id=1, version="", load=lambda _seconds: next(loads))
    kept = await keeper.keep(capture(), None, (1,), keeper.load())
    assert kept.about is not None
    assert kept.about.load == Load(42, 0.25, 1.5)


async def test_what_cannot_be_kept_is_told_and_not_raised(tmp_path: Path) -> None:
    (tmp_path / "profiles").write_bytes(b"no directory")
    keeper = Keeper(Shelf(tmp_path / "profiles", 10, 1 << 20), node_id=1, version="")
    kept = await keeper.keep(capture(), None, (1,), Load())
    assert kept.about is None
    assert "profiles" in kept.reason


async def test_a_name_taken_meanwhile_is_told_and_the_profile_kept(keeper: Keeper) -> None:
    await keeper.keep(capture(), "a", (1,), Load())
    with pytest.raises(Conflict):
        await keeper.require_free("a")
    kept = await keeper.keep(capture(), "a", (1,), Load())
    assert kept.about is not None
    assert kept.about.name is None
    assert "a" in kept.reason


async def test_damage_behind_the_head_is_told_when_it_is_read(keeper: Keeper, tmp_path: Path) -> None:
    kept = await keeper.keep(capture(), None, (1,), Load())
    assert kept.about is not None
    path = tmp_path / "profiles" / f"{kept.about.id}.pb.gz"
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(Damaged, match=kept.about.id):
        await keeper.capture(kept.about.id)


async def test_what_was_brought_is_kept(keeper: Keeper) -> None:
    about = await keeper.bring(FOLDED, "theirs", None)
    assert (about.samples, about.kind, about.unit, about.nodes) == (4, "cpu", "samples", ())
    assert (await keeper.capture("theirs"))[1].folded == FOLDED
    assert (await keeper.bring(content(), None, None)).samples == 4
    assert (await keeper.bring(b"a 5\n", None, "bytes")).kind == "heap"


@pytest.mark.parametrize("mode", ["gil", "wall"])
async def test_a_profile_that_was_fetched_and_brought_again_is_the_same_kind(
    keeper: Keeper, mode: str
) -> None:
    labelled = b"main (a.py:1) 1\nrequest: GET /x;main (a.py:1);work (a.py:2) 3\n"
    await keeper.keep(capture(labelled=labelled, mode=mode), "calm", (7,), Load())
    before, packed = await keeper.packed("calm")
    about = await keeper.bring(packed, "theirs", None)
    assert (about.kind, about.unit, about.samples, about.mode) == ("cpu", "samples", 4, mode)
    assert (about.rate, about.labels) == (before.rate, before.labels)
    assert about.seconds == pytest.approx(before.seconds, rel=1e-3)
    for by_request in (False, True):
        calm, theirs = [(await keeper.capture(key, by_request=by_request))[1] for key in ("calm", "theirs")]
        assert theirs.folded == calm.folded


async def test_lines_that_are_no_stacks_are_counted_and_named(keeper: Keeper) -> None:
    about = await keeper.bring(b"main;work 3\nno stack\n\nmain 1\nmain;rest 2\n", None, None)
    assert (about.samples, about.errors) == (6, 1)
    assert any("1 of 4 lines" in note and "line 2" in note for note in about.notes)
    assert (await keeper.bring(FOLDED, None, None)).errors == 0


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
async def test_a_text_of_mostly_other_lines_is_no_profile(
    keeper: Keeper, pack: Callable[[bytes], bytes]
) -> None:
    with pytest.raises(InvalidRequest, match="3 of its 4 lines"):
        await keeper.bring(pack(b"took 3\nIt was late.\nNobody knew why.\nThe end.\n"), None, None)
    assert await keeper.all() == []


async def test_times_without_counts_of_samples_stay_times(keeper: Keeper) -> None:
    file = io.BytesIO()
    write(Profile.from_stacks([(("main",), 5)], "microseconds"), file, "pprof")
    about = await keeper.bring(file.getvalue(), None, None)
    assert (about.kind, about.unit, about.seconds, about.rate) == ("trace", "microseconds", 0.0, None)


async def test_what_is_no_profile_is_the_sender_s_fault(keeper: Keeper) -> None:
    with pytest.raises(InvalidRequest, match="could not be read"):
        await keeper.bring(b"\0\1\2", None, None)
    with pytest.raises(InvalidRequest, match="unit"):
        await keeper.bring(b"a 1\n", None, "miles")
    assert await keeper.all() == []


async def test_the_event_loop_goes_on_while_a_large_one_is_kept(keeper: Keeper) -> None:
    work = asyncio.create_task(keeper.keep(capture(large()), None, (7,), Load()))
    turns = 0
    while not work.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert work.result().about is not None
    assert turns > 10
