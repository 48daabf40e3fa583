import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from diag.config import Config, load_config
from diag.errors import ConfigError
from diag.logs import level_of, start_logging


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    logger = logging.getLogger("diag")
    before = (list(logger.handlers), logger.level, logger.propagate)
    yield
    for handler in logger.handlers:
        handler.close()
    logger.handlers[:], logger.level, logger.propagate = before


def config(**flags: object) -> Config:
    return load_config(None, {"raft_config.single": True, **flags}, {})


def test_no_handler_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    start_logging(config(**{"log.file.on": False}))
    logging.getLogger("diag.node").error("unseen")
    assert capsys.readouterr().err == ""


def test_the_file_holds_json_lines(tmp_path: Path) -> None:
    start_logging(config(log_dir=str(tmp_path / "logs"), log_level="INFO"))
    logging.getLogger("diag.node").info("ready at %s", 'a "place"')
    (file,) = (tmp_path / "logs").iterdir()
    line = json.loads(file.read_text())
    assert line["fields"]["message"] == 'ready at a "place"'
    assert line["level"] == "INFO"


def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot write logs to .*set log\.file\.dir"):
        start_logging(config(log_dir=str(tmp_path / "file" / "logs")))


@pytest.mark.parametrize(
    ("spec", "level"),
    [
        ("", logging.WARNING),
        ("INFO", logging.INFO),
        ("Warn,databend_=Info,openraft=Debug", logging.INFO),
        ("error", logging.ERROR),
    ],
)
def test_levels_are_read_as_upstream_writes_them(spec: str, level: int) -> None:
    assert level_of(spec) == level


def test_an_unknown_level_is_told() -> None:
    with pytest.raises(ConfigError, match="'loud' is not one of"):
        level_of("loud")
