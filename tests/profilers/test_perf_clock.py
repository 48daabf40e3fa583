import errno
import os

import pytest

from diag.profilers.perf_clock import refusal, spaced


@pytest.mark.parametrize(
    ("rate", "share", "cost", "looks"),
    [
        (99, 0.0, 0.0, 1000),
        (99, 0.1, 0.0, 1000),
        (99, 0.99, 0.0, 400),
        (99, 2.0, 0.0, 198),
        (99, 8.0, 0.0, 99),
        (99, 1.0, 20e-6, 396),
        (99, 1.0, 50e-6, 200),
        (99, 1.0, 500e-6, 99),
        (99, 0.01, 500e-6, 1000),
        (1000, 0.5, 0.0, 1000),
        (1000, 2.0, 0.0, 1000),
        (1, 0.5, 0.0, 8),
    ],
)
def test_looks_are_as_dense_as_their_cost_and_the_use_of_the_processor_allow(
    rate: float, share: float, cost: float, looks: float
) -> None:
    assert 1 / spaced(rate, share, cost) == pytest.approx(looks)


def test_a_refusal_says_how_to_permit_it() -> None:
    said = refusal(OSError(errno.EACCES, os.strerror(errno.EACCES)))
    assert "CAP_PERFMON" in said
    assert "perf_event_paranoid" in said
    assert "seccomp" in said


def test_what_no_right_would_change_is_told_as_it_is() -> None:
    assert "No such file" in refusal(OSError(errno.ENOENT, os.strerror(errno.ENOENT)))
