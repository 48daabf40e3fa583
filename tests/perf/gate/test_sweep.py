import pytest

from diag.errors import ConfigError
from diag.perf.gate import callgrind
from diag.perf.gate.counts_child import KERNELS
from diag.perf.gate.sweep import sweep
from tests.perf.gate.repositories import PROJECT

pytestmark = pytest.mark.skipif(callgrind.missing() is not None, reason=callgrind.missing() or "")


def test_no_kernels() -> None:
    assert list(sweep([], PROJECT)) == []


@pytest.mark.long
@pytest.mark.timeout(300)
def test_one_per_cent_more_of_any_kernel_is_found_and_the_same_code_is_not() -> None:
    figures = list(sweep(list(KERNELS), PROJECT))
    assert len(figures) == 2 * len(KERNELS)
    assert all(figure.met for figure in figures), figures


@pytest.mark.long
def test_a_kernel_that_fails_cannot_be_swept() -> None:
    with pytest.raises(ConfigError, match="absent cannot be counted"):
        list(sweep(["absent"], PROJECT))
