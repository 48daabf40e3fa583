import pytest

from diag.perf.gate.live import try_live


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_process_that_is_half_as_slow_again_fails_beside_a_hog() -> None:
    told: list[str] = []
    found = try_live(0.5, trials=1, beside=1, say=told.append)
    assert found.failed == found.trials == 1, told
    assert "1 of 1 with 50% injected" in told[0]
