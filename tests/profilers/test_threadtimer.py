import signal
import subprocess
import sys
import threading

import pytest

from diag.profilers.threadclock import kernel_tick
from diag.profilers.threadtimer import ThreadTimer

PROGRAM = """
import signal, threading, time
from diag.profilers.threadclock import kernel_tick
from diag.profilers.threadtimer import ThreadTimer
came = []
signal.signal(signal.SIGPROF, lambda number, frame: came.append(time.thread_time()))
timer = ThreadTimer(threading.get_native_id(), signal.SIGPROF)
due = time.thread_time() + 0.05
timer.arm(0.05)
time.sleep(0.2)
assert not came, "it counts CPU time and not the wall's"
while time.thread_time() < due + 5 * kernel_tick():
    pass
assert len(came) == 1, came
assert came[0] >= due, (came, due)
assert timer.fired()
timer.arm(0.01)
assert not timer.fired()
timer.close()
while time.thread_time() < due + 0.1:
    pass
assert len(came) == 1, came
print("done")
"""


def test_a_thread_that_is_not_there_has_none() -> None:
    with pytest.raises(OSError, match="timer_create"):
        ThreadTimer(1, signal.SIGPROF)


def test_a_tick_is_some_milliseconds() -> None:
    assert 0.0005 <= kernel_tick() <= 0.02


def test_it_fires_once_after_so_much_cpu_of_its_thread() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("done\n", "")


def test_a_thread_s_own_is_armed_from_another() -> None:
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    timer = ThreadTimer(thread.native_id or 0, signal.SIGPROF)
    timer.arm(60)
    assert not timer.fired()
    timer.close()
    over.set()
    thread.join()
