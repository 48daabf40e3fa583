import pytest

from diag.errors import ProfilerBusy
from diag.profilers.lock import ProfileLock


def test_a_new_lock_is_free() -> None:
    assert ProfileLock().holder() is None


def test_the_second_is_told_who_holds_it_and_how_long() -> None:
    lock = ProfileLock()
    with lock.hold("cpu profile for 10.0.0.1", 20.0):
        holder = lock.holder()
        assert holder is not None
        assert holder.name == "cpu profile for 10.0.0.1"
        with (
            pytest.raises(ProfilerBusy, match=r"cpu profile for 10\.0\.0\.1.*s more") as busy,
            lock.hold("b", 1.0),
        ):
            pass
        assert 1.0 <= busy.value.retry_after <= 20.0
    assert lock.holder() is None


def test_one_that_runs_over_its_time_still_holds_it() -> None:
    lock = ProfileLock()
    with lock.hold("slow", 0.0), pytest.raises(ProfilerBusy) as busy, lock.hold("other", 1.0):
        pass
    assert busy.value.retry_after == 1.0


def test_an_error_frees_it() -> None:
    lock = ProfileLock()
    with pytest.raises(ValueError, match="inside"), lock.hold("a", 1.0):
        raise ValueError("inside")
    with lock.hold("b", 1.0):
        pass


def test_one_that_is_being_ended_is_told_as_that() -> None:
    lock = ProfileLock()
    with (
        lock.hold("cancelled one", 20.0, lambda: True),
        pytest.raises(ProfilerBusy, match="cancelled one was cancelled and is being ended") as busy,
        lock.hold("b", 1.0),
    ):
        pass
    assert busy.value.retry_after == 1.0
