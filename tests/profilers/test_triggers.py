"""Thresholds, by a clock of the test's own."""

from diag.profilers.triggers import Readings, Thresholds, Triggers

CALM = Readings(loop_lag=0.01, calls=0, slow_calls=0, memory=100 << 20, cpu=0.0)


def names(triggers: Triggers, now: float, readings: Readings) -> list[str]:
    return [fired.name for fired in triggers.look(now, readings)]


def test_nothing_is_looked_for_by_default() -> None:
    triggers = Triggers(Thresholds())
    wild = Readings(loop_lag=9.0, calls=10_000, slow_calls=10_000, memory=1 << 40, cpu=1e6)
    assert names(triggers, 0, CALM) == []
    assert names(triggers, 60, wild) == []


def test_a_late_loop_fires_once_in_a_cool_down() -> None:
    triggers = Triggers(Thresholds(loop_lag_ms=500, cooldown=60))
    assert names(triggers, 0, CALM) == []
    late = CALM._replace(loop_lag=0.75)
    [fired] = triggers.look(1, late)
    assert fired.name == "loop-lag"
    assert "750 ms late (threshold 500 ms)" in fired.says
    assert [names(triggers, now, late) for now in (2, 60)] == [[], []]
    assert names(triggers, 61, late) == ["loop-lag"]


def test_p99_is_of_the_last_seconds_and_of_enough_calls() -> None:
    triggers = Triggers(Thresholds(p99_ms=100, cooldown=0))
    assert names(triggers, 0, CALM._replace(calls=10_000, slow_calls=5_000)) == []
    assert names(triggers, 1, CALM._replace(calls=10_050, slow_calls=5_050)) == []
    assert names(triggers, 2, CALM._replace(calls=11_000, slow_calls=5_010)) == []
    assert names(triggers, 3, CALM._replace(calls=11_000, slow_calls=5_011)) == ["p99"]


def test_growth_is_from_the_least_of_ten_minutes() -> None:
    triggers = Triggers(Thresholds(rss_growth_bytes=50 << 20, cooldown=0))
    for second in range(0, 600, 10):
        assert names(triggers, second, CALM._replace(memory=(100 << 20) + second * 1000)) == []
    assert names(triggers, 600, CALM._replace(memory=160 << 20)) == ["rss-growth"]
    assert names(triggers, 601, CALM._replace(memory=170 << 20)) == [], "the next growth begins at the last"
    assert names(triggers, 602, CALM._replace(memory=230 << 20)) == ["rss-growth"]


def test_slow_growth_over_hours_does_not_fire() -> None:
    triggers = Triggers(Thresholds(rss_growth_bytes=50 << 20))
    assert not any(
        names(triggers, second, CALM._replace(memory=second * 10_000)) for second in range(0, 36_000, 10)
    )


def test_cpu_is_judged_over_ten_seconds() -> None:
    triggers = Triggers(Thresholds(cpu_percent=90, cooldown=0))
    busy = [CALM._replace(cpu=0.95 * second) for second in range(12)]
    fired = [names(triggers, second, readings) for second, readings in enumerate(busy)]
    assert fired[:8] == [[]] * 8
    assert fired[8:] == [["cpu"]] * 4


def test_several_fire_at_once() -> None:
    triggers = Triggers(Thresholds(loop_lag_ms=1, rss_growth_bytes=1))
    triggers.look(0, CALM._replace(loop_lag=0))
    assert names(triggers, 1, CALM._replace(memory=200 << 20)) == ["loop-lag", "rss-growth"]
