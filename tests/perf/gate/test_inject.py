import asyncio
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import FrameType, ModuleType

import pytest

from diag.errors import ConfigError
from diag.perf.gate.inject import FREE, Costs, from_environment, own_costs, parse, slow_down, slower

_MODULE = """
calls = []

def work(*args, **kwargs):
    calls.append((args, kwargs))
    return len(calls)

async def wait(value):
    return value

def generate():
    yield 1

class Store:
    def get(self, key):
        return self, key

    @staticmethod
    def name(value):
        return value

    @classmethod
    def make(cls, value):
        return cls, value

LIMIT = 3
"""


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of its own, and one that imported a function from it."""
    (tmp_path / "slow_target.py").write_text(_MODULE)
    (tmp_path / "slow_caller.py").write_text("from slow_target import work as borrowed\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("slow_target", "slow_caller"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return import_module("slow_target")


class Processor:
    """A clock that moves by what is done and by being looked at, and sees who looks."""

    def __init__(self) -> None:
        self.now = 0
        self.looked: FrameType | None = None

    def used(self) -> int:
        return self.now

    def used_here(self) -> int:
        self.now += 500
        self.looked = sys._getframe(1)
        return self.now

    def work(self, nanoseconds: int) -> None:
        self.now += nanoseconds


def _burnt(processor: Processor, call: Callable[[int], object], works: list[int]) -> float:
    """What was burnt, as a share of the work."""
    call(0)
    begun = processor.now
    for nanoseconds in works:
        call(nanoseconds)
    return (processor.now - begun) / sum(works) - 1


def test_nothing_is_slowed_down_unless_asked(monkeypatch: pytest.MonkeyPatch, target: ModuleType) -> None:
    work = target.work
    for value in (None, ""):
        if value is None:
            monkeypatch.delenv("DIAG_PERF_INJECT", raising=False)
        else:
            monkeypatch.setenv("DIAG_PERF_INJECT", value)
        from_environment()
    assert target.work is work


@pytest.mark.parametrize(
    "wanted", ["diag.kv.apply.apply", ":0.05", "a.b:", "a.b:no", "a.b:0", "a.b:-1", "a.b:nan"]
)
def test_what_names_no_function_and_share_is_refused(wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAG_PERF_INJECT", wanted)
    with pytest.raises(ConfigError, match=r"module\.function:share"):
        from_environment()


def test_the_name_and_the_share_are_read() -> None:
    assert parse("diag.kv.apply.apply:0.05") == ("diag.kv.apply.apply", 0.05)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no_such_module.work", "no module or class 'no_such_module'"),
        ("work", "no module or class 'work'"),
        ("slow_target.Absent.get", "no module or class 'slow_target.Absent'"),
        ("slow_target.absent", "no function"),
        ("slow_target.LIMIT", "no function"),
        ("slow_target.Store", "no function"),
        ("slow_target.generate", "is a generator"),
    ],
)
def test_what_cannot_be_slowed_down_is_refused_by_name(target: ModuleType, name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        slow_down(name, 0.05, FREE)


def test_a_slowed_function_does_what_it_did_wherever_it_was_imported_to(target: ModuleType) -> None:
    caller = import_module("slow_caller")
    work = target.work
    for name in ("work", "wait", "Store.get", "Store.name", "Store.make"):
        slow_down(f"slow_target.{name}", 0.05, FREE)
    assert target.work is not work
    assert caller.borrowed is target.work
    assert target.work(1, two=2) == 1
    assert target.calls == [((1,), {"two": 2})]
    assert asyncio.run(target.wait("value")) == "value"
    store = target.Store()
    assert store.get("key") == (store, "key")
    assert target.Store.name("a") == "a"
    assert target.Store.make("b") == (target.Store, "b")


@pytest.mark.parametrize("share", [0.01, 0.05, 0.5])
@pytest.mark.parametrize("works", [[1_000_000] * 2_000, [20_000] * 20_000, [5_000_000, 90_000] * 500])
def test_what_is_burnt_is_the_share_asked_for_however_long_the_work_is(
    share: float, works: list[int]
) -> None:
    processor = Processor()

    def work(nanoseconds: int) -> None:
        processor.work(nanoseconds)

    costs = Costs(counting=0.0, looking=1_000.0, unseen=500.0)
    call = slower(work, share, costs, processor.used, processor.used_here)
    assert _burnt(processor, call, works) == pytest.approx(share, rel=0.04)


def test_what_the_process_does_while_the_function_is_not_called_is_not_burnt_for() -> None:
    processor = Processor()

    def work(nanoseconds: int) -> None:
        processor.work(nanoseconds)

    call = slower(work, 0.1, FREE, processor.used, processor.used_here)
    assert _burnt(processor, call, [10_000_000_000]) < 0.001
    burnt = 0
    for _ in range(100):
        processor.work(500_000_000)  # another workload
        begun = processor.now
        for _ in range(10):
            call(1_000_000)
        burnt += processor.now - begun - 10_000_000
    assert burnt == pytest.approx(0.1 * 100 * 9_000_000, rel=0.05), (
        "all but the first call after it is burnt for"
    )


def test_profilers_find_what_is_burnt_under_the_functions_name() -> None:
    processor = Processor()

    def work(nanoseconds: int) -> None:
        processor.work(nanoseconds)

    async def wait(nanoseconds: int) -> None:
        processor.work(nanoseconds)

    called = slower(work, 0.1, used=processor.used, used_here=processor.used_here)
    awaited = slower(wait, 0.1, used=processor.used, used_here=processor.used_here)

    def use_awaited(nanoseconds: int) -> None:
        asyncio.run(awaited(nanoseconds))

    uses: dict[str, Callable[[int], object]] = {"work": called, "wait": use_awaited}
    for name, use in uses.items():
        use(1_000)
        frame = processor.looked
        for _ in range(2):
            assert frame is not None
            assert frame.f_code.co_name == name
            assert frame.f_code.co_filename == __file__
            frame = frame.f_back


def test_a_call_costs_something_by_itself() -> None:
    costs = own_costs()
    assert 0 <= costs.counting < costs.looking
    assert 0 <= costs.unseen < costs.looking
