"""A record as a line: databend-meta's JSON, text for people, or the message alone; never with a secret."""

import json
import logging
from datetime import UTC, datetime
from typing import Final

from diag.logs.request_id import current_request
from diag.redact import Redactor

#: The level of audit lines: above each that a configuration can ask for, but for off.
AUDIT: Final = 55


class _Lines(logging.Formatter):
    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redacted = redactor.line

    def _message(self, record: logging.LogRecord) -> str:
        return self._redacted(record.getMessage())

    def _failure(self, record: logging.LogRecord) -> str | None:
        return self._redacted(self.formatException(record.exc_info)) if record.exc_info else None


class JsonLines(_Lines):
    """One JSON object a line, with databend-meta's field names and the request's id."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {
            "timestamp": _moment(record),
            "level": _level(record),
            "fields": {"message": self._message(record)},
            "target": record.name,
        }
        request_id, failure = current_request(), self._failure(record)
        if request_id is not None:
            fields["request_id"] = request_id
        if failure is not None:
            fields["exception"] = failure
        return json.dumps(fields)


class TextLines(_Lines):
    """A line for people; one record is one line, but for a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        return text_line(
            _moment(record),
            _level(record),
            record.name,
            self._message(record),
            current_request(),
            self._failure(record),
        )


class BareLines(_Lines):
    """The message alone, as databend-meta's format ``identical`` has it."""

    def format(self, record: logging.LogRecord) -> str:
        return one_line(self._message(record))


def text_line(
    moment: str, level: str, target: str, message: str, request_id: str | None, failure: str | None
) -> str:
    """The parts of a record as ``TextLines`` writes them."""
    end = f" [{request_id}]" if request_id else ""
    line = f"{moment} {level:<7} {target}: {one_line(message)}{end}"
    return f"{line}\n{failure}" if failure else line


def one_line(text: str) -> str:
    """What a client sent may stand in a message, and must not steer a terminal or look like a record."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _moment(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"


def _level(record: logging.LogRecord) -> str:
    return "AUDIT" if record.levelno == AUDIT else record.levelname
