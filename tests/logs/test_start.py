import asyncio
import json
import logging
from pathlib import Path

import pytest

from diag.config import Config, load_config
from diag.errors import ConfigError
from diag.logs import level_of, start_logging
from diag.logs.formats import AUDIT
from diag.logs.request_id import begin_request


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


def test_secrets_of_the_configuration_and_tokens_never_get_into_a_line(tmp_path: Path) -> None:
    secrets = {"admin.token": "planted-one", "raft_config.raft_secret": "planted-two", "log_level": "INFO"}
    start_logging(config(log_dir=str(tmp_path), **secrets))
    logger = logging.getLogger("diag.node")
    logger.error("with planted-one and Authorization: Bearer planted-three, then mdt_planted-four")
    logger.error("asking http://root:planted-five@meta-2:28101/v1/status")
    try:
        raise RuntimeError("planted-two")
    except RuntimeError:
        logger.exception("it failed")
    (file,) = tmp_path.iterdir()
    assert "planted" not in file.read_text()
    message = json.loads(file.read_text().splitlines()[0])["fields"]["message"]
    assert message == "with *** and Authorization: Bearer ***, then ***"


def test_all_forms_carry_one_record_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for form in ("json", "text", "identical"):
        start_logging(config(**{"log.file.on": False, "log.stderr.on": True, "log.stderr.format": form}))
        logging.getLogger("diag.node").warning("first\nWARN forged \x1b[2J\u2028")
        line = capsys.readouterr().err
        assert line.count("\n") == 1
        assert len(line.splitlines()) == 1
        assert "\x1b" not in line


def test_a_line_bears_the_id_of_its_request(tmp_path: Path) -> None:
    async def served(given: str | None) -> str:
        request_id = begin_request(given)
        await asyncio.sleep(0)
        logging.getLogger("diag.node").warning("served")
        return request_id

    async def both() -> list[str]:
        return list(await asyncio.gather(served("mine"), served(None)))

    start_logging(config(log_dir=str(tmp_path)))
    logging.getLogger("diag.node").warning("of no request")
    ids = asyncio.run(both())
    (file,) = tmp_path.iterdir()
    first, *others = map(json.loads, file.read_text().splitlines())
    assert "request_id" not in first
    assert [line["request_id"] for line in others] == ids
    assert ids[0] == "mine"


def test_an_audit_line_passes_every_level_but_off(tmp_path: Path) -> None:
    for level, lines in (("ERROR", 1), ("off", 0)):
        start_logging(config(log_dir=str(tmp_path / level), log_level=level))
        logging.getLogger("diag.audit").log(AUDIT, "who did what")
        (file,) = (tmp_path / level).iterdir()
        assert file.read_text().count('"level": "AUDIT"') == lines
