from diag.profilers.tracebacks import Place, read_tracebacks

HEAD = "Stack (most recent call first):\n"
MAIN = '  File "/a/busy.py", line 3 in work\n  File "/a/main.py", line 9 in <module>\n'
THREAD = '  File "/a/busy.py", line 4 in beside\n  File "/lib/threading.py", line 1002 in _bootstrap\n'
WORK = (Place("<module>", "/a/main.py", 9), Place("work", "/a/busy.py", 3))
BESIDE = (Place("_bootstrap", "/lib/threading.py", 1002), Place("beside", "/a/busy.py", 4))


def test_nothing_written_is_no_stack() -> None:
    assert read_tracebacks(b"").counts == {}


def test_stacks_are_counted_outermost_first() -> None:
    found = read_tracebacks((HEAD + MAIN + HEAD + THREAD + HEAD + MAIN).encode())
    assert found.counts == {(None, WORK): 2, (None, BESIDE): 1}
    assert found.torn == 0


def test_a_mark_names_the_request_of_the_main_threads_stacks_before_it() -> None:
    written = HEAD + MAIN + HEAD + THREAD + HEAD + MAIN + "@GET /a\n" + HEAD + MAIN + "@\n"
    found = read_tracebacks(written.encode())
    assert found.counts == {("GET /a", WORK): 2, (None, BESIDE): 1, (None, WORK): 1}


def test_what_two_threads_wrote_into_each_other_is_torn() -> None:
    first, rest = MAIN.splitlines(keepends=True)
    found = read_tracebacks((HEAD + first + HEAD + THREAD + rest + HEAD + MAIN).encode())
    assert found.counts == {(None, WORK): 1}
    assert found.torn == 2
    assert read_tracebacks((HEAD + MAIN[:30]).encode()).torn == 1


def test_a_stack_too_deep_to_be_written_is_kept_and_counted() -> None:
    found = read_tracebacks((HEAD + MAIN.splitlines(keepends=True)[0] + "  ...\n").encode())
    assert found.counts == {(None, WORK[1:]): 1}
    assert (found.cut, found.torn) == (1, 0)
