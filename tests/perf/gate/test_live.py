import pytest

from diag.perf.gate.live import Live, try_live
from diag.perf.gate.tally import Tally


def test_nothing_found_names_nothing() -> None:
    figure = Live(Tally(0, 3, 3), 0).named_figure("named", 0.95)
    assert not figure.met
    assert "0 of 0" in figure.detail


def test_what_is_named_first_is_a_share_of_what_is_found() -> None:
    figure = Live(Tally(20, 10, 30), 19).named_figure("named", 0.95)
    assert figure.met
    assert figure.value == 0.95
    assert "19 of 20" in figure.detail


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_process_that_is_half_as_slow_again_fails_beside_a_hog() -> None:
    told: list[str] = []
    found = try_live(0.5, trials=1, beside=1, say=told.append)
    assert found.tally.failed == found.tally.trials == found.named == 1, told
    assert "1 of 1 with 50% injected" in told[0]
    assert "Named first: apply (" in told[0]
