import signal
import threading
import time
from collections.abc import Iterator

import pytest

from diag.profilers.threadclock import kernel_tick, own_sleeps
from diag.profilers.tick_clock import TickClock, Waits

#: In Hz: one look in ten days of CPU.
NEVER = 1e-6
OFTEN = 1000


@pytest.fixture(autouse=True)
def _signals_that_end_nothing() -> Iterator[None]:
    before = signal.signal(signal.SIGPROF, lambda _number, _frame: None)
    yield
    signal.signal(signal.SIGPROF, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, before)


def test_a_look_that_is_not_due_stands_for_nothing() -> None:
    watch = TickClock().watch(threading.get_native_id(), NEVER)
    assert watch.charge() == 0
    watch.close()


def test_a_thread_that_is_not_there_has_no_watch() -> None:
    with pytest.raises(OSError, match="timer_create"):
        TickClock().watch(2**22 + 1, OFTEN)


def test_a_look_of_the_main_thread_stands_for_a_tick_at_least() -> None:
    watch = TickClock().watch(threading.get_native_id(), OFTEN)
    for _ in range(5):
        while not (seconds := watch.charge()):
            pass
        assert seconds >= kernel_tick()
    watch.close()


def test_another_thread_is_looked_at_by_its_own_time_and_until_it_is_gone() -> None:
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            pass

    thread = threading.Thread(target=work)
    thread.start()
    watch = TickClock().watch(thread.native_id or 0, OFTEN)
    while not (seconds := watch.charge()):
        pass
    assert seconds >= kernel_tick()
    over.set()
    thread.join()
    while watch.charge() is not None:
        pass
    watch.close()


def test_there_are_no_more_looks_than_ticks_and_why_is_told() -> None:
    clock = TickClock("nobody has a better one")
    assert clock.most[0] == round(1 / kernel_tick())
    assert f"{clock.most[0]} in a second of CPU at most: nobody has a better one." in clock.note


def test_it_serves_whatever_the_process_does() -> None:
    clock = TickClock()
    assert clock.adapt(OFTEN, 1.0) is clock


def test_a_thread_that_ran_all_the_time_has_not_waited() -> None:
    began, used = time.monotonic(), time.thread_time()
    waits = Waits()
    assert waits.until(began + 10, used + 10) == 0
    assert waits.until(began + 20, used + 20) == 0


def test_a_thread_that_stood_still_has_waited_as_often_as_the_kernel_says() -> None:
    began, used = time.monotonic(), time.thread_time()
    waits = Waits()
    sleep_thrice()
    assert (first := waits.until(began + 10, used + 1)) >= 3
    sleep_thrice()
    assert waits.until(began + 20, used + 2) >= first + 3


def test_handing_over_the_interpreter_lock_is_no_wait() -> None:
    began, used = time.monotonic(), time.thread_time()
    waits = Waits()
    waits.until(began + 10, used + 10)
    sleep_thrice()
    assert waits.until(began + 11, used + 10.9995) == 0


def sleep_thrice() -> None:
    """Who is held up on the way to a short sleep finds it over, and does not wait."""
    before = own_sleeps()
    while own_sleeps() < before + 3:
        time.sleep(0.0001)
