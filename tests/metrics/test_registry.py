from diag.metrics.registry import FOLD_EVERY, CallKind, Metrics


def test_nothing_is_counted_before_a_call() -> None:
    metrics = Metrics()
    metrics.fold()
    assert (metrics.req_inflights, metrics.req_success, metrics.req_failed) == (0, 0, 0)
    assert metrics.delay_summary.count == 0


def test_a_call_is_in_flight_until_it_ends() -> None:
    metrics = Metrics()
    metrics.request_started()
    assert metrics.req_inflights == 1
    metrics.request_finished("read", 0.001, ok=True)
    assert (metrics.req_inflights, metrics.req_success, metrics.req_failed) == (0, 1, 0)


def test_failures_of_reads_are_counted_twice_over_and_others_once() -> None:
    metrics = Metrics()
    kinds: tuple[CallKind, ...] = ("read", "write", "other")
    for kind in kinds:
        metrics.request_started()
        metrics.request_finished(kind, 0.001, ok=False)
    assert (metrics.req_failed, metrics.read_failed) == (3, 1)


def test_delays_go_to_the_histogram_of_their_kind_and_to_that_of_all() -> None:
    metrics = Metrics()
    metrics.request_finished("read", 0.001, ok=True)
    metrics.request_finished("write", 0.001, ok=True)
    metrics.request_finished("write", 0.001, ok=True)
    metrics.request_finished("other", 0.001, ok=True)
    metrics.fold()
    counts = [h.buckets()[-1][1] for h in (metrics.delay_read, metrics.delay_write, metrics.delay_all)]
    assert counts == [1, 2, 4]
    assert metrics.delay_summary.count == 4


def test_delays_are_folded_without_a_scrape_too() -> None:
    metrics = Metrics()
    for _ in range(FOLD_EVERY):
        metrics.request_finished("read", 0.001, ok=True)
    assert metrics.delay_summary.count == FOLD_EVERY


def test_folding_twice_counts_once() -> None:
    metrics = Metrics()
    metrics.request_finished("read", 0.001, ok=True)
    metrics.fold()
    metrics.fold()
    assert metrics.delay_summary.count == 1


def test_bytes_items_and_watchers_add_up() -> None:
    metrics = Metrics()
    metrics.received(10)
    metrics.sent(20)
    metrics.sent(5)
    metrics.watch_items(3, 0)
    metrics.watch_items(0, 2)
    metrics.stream_items("mget", 7)
    metrics.watchers_changed(+1)
    metrics.watchers_changed(+1)
    metrics.watchers_changed(-1)
    assert (metrics.recv_bytes, metrics.sent_bytes) == (10, 25)
    assert (metrics.watch_initialization, metrics.watch_change) == (3, 2)
    assert metrics.stream_items_sent == {"get": 0, "mget": 7, "list": 0}
    assert metrics.watchers == 1
