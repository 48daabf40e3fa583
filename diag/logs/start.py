"""The handlers that a configuration's ``[log]`` sections ask for, on the standard library's logging."""

import logging
import sys
from pathlib import Path

from diag.config import Config, secrets_of
from diag.errors import ConfigError
from diag.logs.files import RotatedFile
from diag.logs.formats import BareLines, JsonLines, TextLines
from diag.redact import Redactor

_LEVELS = {
    "off": logging.CRITICAL + 10,
    "error": logging.ERROR,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
    "trace": logging.DEBUG,
}
_FORMATS = {"json": JsonLines, "text": TextLines, "identical": BareLines}


def start_logging(config: Config) -> None:
    """Attach the handlers the configuration asks for; ConfigError when the directory cannot be used."""
    handlers: list[logging.Handler] = []
    redactor = Redactor(secrets_of(config))
    stderr, file = config.log.stderr, config.file_log()
    if stderr.on:
        handlers.append(_prepared(logging.StreamHandler(sys.stderr), stderr.format, stderr.level, redactor))
    if file.on:
        try:
            file.dir.mkdir(parents=True, exist_ok=True)
            rotated = RotatedFile(_path(config), file.max_size, file.limit)
        except OSError as error:
            raise ConfigError(
                f"cannot write logs to {file.dir}: {error.strerror}; set log.file.dir"
            ) from None
        handlers.append(_prepared(rotated, file.format, file.level, redactor))
    logger = logging.getLogger("diag")
    logger.propagate = False
    for handler in logger.handlers:
        handler.close()
    logger.handlers[:] = handlers or [logging.NullHandler()]
    logger.setLevel(min((handler.level for handler in handlers), default=logging.CRITICAL))


def log_file(config: Config) -> Path | None:
    """The file that the configuration has lines logged to; rotated ones have ``.1`` and so on after it."""
    return _path(config).absolute() if config.file_log().on else None


def _path(config: Config) -> Path:
    return config.file_log().dir / f"metadiag-{config.raft_config.id}.log"


def level_of(spec: str) -> int:
    """The level that a filter such as ``Warn,databend_=Info`` gives this service.

    A part with ``=`` names a target; ``databend`` and ``diag`` targets are ours, other targets are not here.
    """
    level = logging.WARNING
    for part in filter(None, (part.strip() for part in spec.split(","))):
        target, _, name = part.rpartition("=")
        if name.lower() not in _LEVELS:
            raise ConfigError(f"log level {spec!r}: {name!r} is not one of {', '.join(_LEVELS)}")
        if not target or target.startswith(("databend", "diag")):
            level = _LEVELS[name.lower()]
    return level


def _prepared(handler: logging.Handler, form: str, level: str, redactor: Redactor) -> logging.Handler:
    handler.setFormatter(_FORMATS[form](redactor))
    handler.setLevel(level_of(level))
    return handler
