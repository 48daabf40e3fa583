import signal
import subprocess
import sys
import threading

import pytest

from diag.profilers.perfevent import PerfEvent, Wake
from tests.profilers.service import perf_events


def refusal() -> str | None:
    """Why this machine gives none."""
    try:
        PerfEvent(threading.get_native_id(), signal.SIGPROF).close()
    except OSError as error:
        return str(error)
    return None


pytestmark = pytest.mark.skipif(refusal() is not None, reason=f"no perf events: {refusal()}")

BEGIN = """
import os, signal, subprocess, sys, threading, time
from diag.profilers.perfevent import PerfEvent
came = []
signal.signal(signal.SIGPROF, lambda number, frame: came.append(time.thread_time()))
def work(seconds, what=lambda: None):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        what()
event = PerfEvent(threading.get_native_id(), signal.SIGPROF)
"""


def run(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + program + "\nprint('done')"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_a_thread_that_is_not_there_has_none() -> None:
    with pytest.raises(OSError, match="No such process"):
        PerfEvent(2**22 + 1, signal.SIGPROF)


def test_it_signals_after_so_much_cpu_of_its_thread_and_not_at_the_kernel_s_tick() -> None:
    run("""
work(0.01)
assert not came, "nobody has armed it"
due = time.thread_time() + 0.0107
event.arm(0.0107)
time.sleep(0.1)
assert not came, "it counts CPU time and not the wall's"
late = []
for _ in range(50):
    due = time.thread_time() + 0.0017
    event.arm(0.0017)
    came.clear()
    while not came:
        pass
    late.append(came[0] - due)
late.sort()
assert -0.0002 < late[25] < 0.0005, late
event.close()
""")


def test_moments_in_system_calls_count() -> None:
    run("""
zeros = os.open("/dev/zero", os.O_RDONLY)
event.arm(0.001)
work(0.2, lambda: os.readv(zeros, [bytearray(1 << 20)]))
assert len(came) > 100, len(came)
event.close()
""")


def test_a_closed_one_signals_no_more_though_a_forked_child_holds_it() -> None:
    run("""
child_waits, parent_ends = os.pipe()
event.arm(0.001)
child = os.fork()
if not child:
    os.close(parent_ends)
    os.read(child_waits, 1)
    os._exit(0)
work(0.01)
assert came
event.close()
came.clear()
signal.signal(signal.SIGPROF, signal.SIG_IGN)
signal.signal(signal.SIGPROF, signal.SIG_DFL)
work(0.05)
os.close(parent_ends)
os.waitpid(child, 0)
""")


def test_another_program_does_not_get_it() -> None:
    run("""
code = "import os; print([at for at in os.listdir('/proc/self/fd') if int(at) > 2])"
plain = subprocess.run([sys.executable, "-c", code], capture_output=True, close_fds=False).stdout
event.close()
assert plain == subprocess.run([sys.executable, "-c", code], capture_output=True, close_fds=False).stdout
""")


def test_it_ends_with_its_thread() -> None:
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    event = PerfEvent(thread.native_id or 0, signal.SIGPROF)
    over.set()
    thread.join()
    event.arm(0.001)
    event.close()


def test_it_takes_no_descriptor_that_the_service_may_need() -> None:
    run("""
import resource
held = [os.dup(0) for _ in range(9)]
resource.setrlimit(resource.RLIMIT_NOFILE, (16, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
try:
    PerfEvent(threading.get_native_id(), signal.SIGPROF)
except OSError as error:
    assert "half of the process's file descriptors" in str(error), error
else:
    raise AssertionError("there is one")
assert os.dup(0) == held[-1] + 1
""")


def test_a_wake_that_was_never_open_closes() -> None:
    Wake().close()


def test_a_wake_outlives_its_thread_and_leaves_nothing() -> None:
    wake = Wake()
    thread = threading.Thread(target=wake.open)
    thread.start()
    thread.join()
    assert perf_events() == 1
    PerfEvent(threading.get_native_id(), signal.SIGPROF).close()
    wake.close()
    wake.close()
    assert perf_events() == 0
