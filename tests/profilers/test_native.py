import threading

from diag.profilers.native import ROOT, unseen


def test_nothing_ran_nothing_is_added() -> None:
    assert unseen({}, {}, 100.0, {}) == {}
    assert unseen({5: 1.0}, {5: 1.0}, 100.0, {}) == {}


def test_cpu_without_a_python_stack_is_put_under_the_threads_name() -> None:
    tid = threading.get_native_id()
    added = unseen({tid: 1.0}, {tid: 3.0}, 100.0, {tid: 50})
    assert added == {f"{ROOT};{threading.current_thread().name}": 150}


def test_a_difference_within_the_noise_of_sampling_is_left_out() -> None:
    assert unseen({5: 0.0}, {5: 1.0}, 100.0, {5: 85}) == {}
    assert unseen({5: 0.0}, {5: 1.0}, 100.0, {5: 130}) == {}
