"""Logging as databend-meta's ``[log]`` sections describe it, on the standard library's handlers."""

import json
import logging
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

from diag.config import Config
from diag.errors import ConfigError

_LEVELS = {
    "off": logging.CRITICAL + 10,
    "error": logging.ERROR,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
    "trace": logging.DEBUG,
}


def start_logging(config: Config) -> None:
    """Attach the handlers the configuration asks for; ConfigError when the directory cannot be used."""
    handlers: list[logging.Handler] = []
    stderr, file = config.log.stderr, config.file_log()
    if stderr.on:
        handlers.append(_prepared(logging.StreamHandler(sys.stderr), stderr.format, stderr.level))
    if file.on:
        try:
            file.dir.mkdir(parents=True, exist_ok=True)
            rotating = RotatingFileHandler(_path(config), maxBytes=file.max_size, backupCount=file.limit)
        except OSError as error:
            raise ConfigError(
                f"cannot write logs to {file.dir}: {error.strerror}; set log.file.dir"
            ) from None
        handlers.append(_prepared(rotating, file.format, file.level))
    logger = logging.getLogger("diag")
    logger.propagate = False
    logger.handlers[:] = handlers or [logging.NullHandler()]
    logger.setLevel(min((handler.level for handler in handlers), default=logging.CRITICAL))


def log_file(config: Config) -> Path | None:
    """The file that the configuration has lines logged to."""
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


def _prepared(handler: logging.Handler, form: str, level: str) -> logging.Handler:
    text = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(JsonLines() if form == "json" else text)
    handler.setLevel(level_of(level))
    return handler


class JsonLines(logging.Formatter):
    """One JSON object a line, with databend-meta's field names."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "timestamp": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "fields": {"message": record.getMessage()},
            "target": record.name,
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields)
