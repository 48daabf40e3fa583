from diag.metrics.recent import MOST, Recent


def test_nothing_was_recent() -> None:
    assert Recent().take() == []


def test_few_delays_are_all_kept_in_order_and_given_once() -> None:
    recent = Recent()
    recent.add([0.3, 0.1])
    recent.add([0.2])
    assert recent.take() == [0.1, 0.2, 0.3]
    assert recent.take() == []


def test_many_delays_leave_an_even_sample_in_bounded_memory() -> None:
    recent = Recent()
    batches = 400
    for batch in range(batches):
        recent.add([batch + place / 256 for place in range(256)])
    kept = recent.take()
    assert MOST / 4 < len(kept) <= MOST
    # The middle and the tail are where they are among all of them.
    assert abs(kept[len(kept) // 2] - batches / 2) < 0.03 * batches
    assert abs(kept[int(0.99 * len(kept))] - 0.99 * batches) < 0.03 * batches


def test_after_many_the_next_are_all_kept_again() -> None:
    recent = Recent()
    for _ in range(100):
        recent.add([1.0] * 256)
    recent.take()
    recent.add([1.0, 2.0, 3.0])
    assert recent.take() == [1.0, 2.0, 3.0]
