import errno
import os

import pytest

from diag.profilers.perf_clock import refusal, spaced


@pytest.mark.parametrize(
    ("rate", "share", "looks"),
    [
        (99, 0.0, 1000),
        (99, 0.1, 1000),
        (99, 0.99, 400),
        (99, 2.0, 198),
        (99, 8.0, 99),
        (1000, 0.5, 1000),
        (1000, 2.0, 1000),
        (1, 0.5, 8),
    ],
)
def test_looks_are_as_dense_as_the_use_of_the_processor_allows(
    rate: float, share: float, looks: float
) -> None:
    assert 1 / spaced(rate, share) == pytest.approx(looks)


def test_a_refusal_says_how_to_permit_it() -> None:
    said = refusal(OSError(errno.EACCES, os.strerror(errno.EACCES)))
    assert "CAP_PERFMON" in said
    assert "perf_event_paranoid" in said
    assert "seccomp" in said


def test_what_no_right_would_change_is_told_as_it_is() -> None:
    assert "No such file" in refusal(OSError(errno.ENOENT, os.strerror(errno.ENOENT)))
