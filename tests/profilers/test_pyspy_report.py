from diag.profilers.pyspy_report import read_behind, read_errors, read_stacks


def test_an_empty_file_is_an_empty_profile() -> None:
    stacks = read_stacks("", skip=0)
    assert (stacks.by_thread, stacks.merged, stacks.seen, stacks.rootless) == ({}, {}, {}, 0)


def test_threads_come_off_and_their_samples_are_counted() -> None:
    raw = (
        "thread (7): MainThread;<module> (a.py:1);f (a.py:2) 3\n"
        "thread (8): worker;Thread._bootstrap (threading.py:1);f (a.py:2) 2\n"
        "thread (9);callback (a.py:5) 1\n"
    )
    stacks = read_stacks(raw, skip=0)
    assert stacks.seen == {7: 3, 8: 2, 9: 1}
    assert stacks.merged["<module> (a.py:1);f (a.py:2)"] == 3
    assert stacks.by_thread["thread worker;Thread._bootstrap (threading.py:1);f (a.py:2)"] == 2
    assert stacks.by_thread["thread 9;callback (a.py:5)"] == 1
    assert stacks.rootless == 1


def test_the_thread_that_waits_for_the_profile_is_left_out() -> None:
    assert read_stacks("thread (7): profile-cpu;Thread._bootstrap (t.py:1) 3\n", skip=7).seen == {}


def test_a_line_of_another_form_is_skipped() -> None:
    assert read_stacks("garbage\n<module> (a.py:1) 4\nthread (7): M 4\n", skip=0).merged == {}


def test_the_report_is_read_from_the_messages() -> None:
    said = (
        "py-spy> 0.50s behind in sampling\npy-spy> 1.25s behind in sampling, results\nSamples: 10 Errors: 4\n"
    )
    assert read_errors(said) == 4
    assert read_behind(said) == 1.25
    assert read_errors("") == 0
    assert read_behind("") == 0.0
