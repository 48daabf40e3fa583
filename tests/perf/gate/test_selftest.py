from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner, Result

from diag.errors import ConfigError
from diag.perf.gate.recording import AGAIN, ARMS, BASE, Recording, drawn, read, scaled
from diag.perf.gate.selftest import RECORDED, main
from flamegraph.paired import Pairs


def _recording(path: Path, *, noise: float, growths: tuple[float, float, float], rounds: int = 40) -> None:
    """Costs of the four arms: base, and three that cost so much more."""
    random = Random(1)
    costs = [
        {"put": [growth * random.lognormvariate(-8, noise) for growth in (1.0, *growths)]}
        for _ in range(rounds)
    ]
    Recording({"made": "by a test"}, costs).write(path)


def _selftest(directory: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["--recordings", str(directory), "--trials", "60", *words])


def test_without_recordings_nothing_is_shown_and_that_is_a_failure(tmp_path: Path) -> None:
    assert _selftest(tmp_path).exit_code == 1
    assert Recording({}, []).benchmarks == []


def test_a_recording_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    written = Recording({"made": "by a test"}, [{"put": [1.0, 2.0, 3.0, 4.0]}, {"put": [5.0, 6.0, 7.0, 8.0]}])
    written.write(path)
    assert read(path) == written
    assert written.pairs("put", AGAIN) == Pairs((1.0, 5.0), (2.0, 6.0))
    assert written.pairs("put", ARMS[3]) == Pairs((1.0, 5.0), (4.0, 8.0))


def test_pairs_are_drawn_as_pairs() -> None:
    pairs = Pairs((1.0, 2.0, 3.0), (10.0, 20.0, 30.0))
    many = drawn(pairs, 100, Random(1))
    assert set(zip(many.base, many.head, strict=True)) == {(1.0, 10.0), (2.0, 20.0), (3.0, 30.0)}
    assert scaled(pairs, 2.0).head == (20.0, 40.0, 60.0)


@pytest.mark.parametrize("text", ["", "[]", '{"about": {}}'])
def test_what_is_no_recording_cannot_be_judged(tmp_path: Path, text: str) -> None:
    (tmp_path / "broken.json").write_text(text)
    with pytest.raises(ConfigError, match="is no recording of pairs"):
        read(tmp_path / "broken.json")
    done = _selftest(tmp_path)
    assert done.exit_code == 2
    assert "is no recording of pairs" in done.output


def test_on_a_machine_with_little_noise_every_figure_is_met(tmp_path: Path) -> None:
    _recording(tmp_path / "little.json", noise=0.01, growths=(1.0, 1.05, 1.1))
    done = _selftest(tmp_path)
    assert done.exit_code == 0, done.output
    assert "missed" not in done.output


@pytest.mark.parametrize(
    ("noise", "growths", "missed"),
    [
        (0.01, (1.1, 1.05, 1.1), "slower fails"),
        (0.01, (1.1, 1.05, 1.1), "same code, surely off by"),
        (0.01, (1.0, 1.09, 1.1), "5% injected, surely off by"),
        (0.01, (1.0, 1.0, 1.1), "5% injected, surely off by"),
        (0.30, (1.0, 1.05, 1.1), "5% slower fails"),
    ],
)
def test_a_figure_that_is_not_met_is_marked_and_is_exit_code_one(
    tmp_path: Path, noise: float, growths: tuple[float, float, float], missed: str
) -> None:
    _recording(tmp_path / "bad.json", noise=noise, growths=growths)
    done = _selftest(tmp_path)
    assert done.exit_code == 1
    assert any(missed in line and "missed" in line for line in done.output.splitlines()), done.output


@pytest.mark.parametrize("path", sorted(RECORDED.glob("*.json")), ids=lambda path: path.stem)
def test_recordings_say_where_they_come_from(path: Path) -> None:
    recording = read(path)
    assert len(recording.rounds) >= 19
    assert recording.about["arms"] == ", ".join(ARMS)
    assert {"made", "at", "commit", "machine", "python", "slowed"} <= set(recording.about)
    for benchmark in recording.benchmarks:
        assert len(recording.pairs(benchmark, BASE)) == len(recording.rounds)


@pytest.mark.parametrize(("name", "hogs"), [("hogs", 2), ("quiet", 0)])
def test_one_recording_is_of_a_machine_that_had_other_work(name: str, hogs: int) -> None:
    assert f"--with-hogs {hogs}" in read(RECORDED / f"{name}.json").about["made"]
