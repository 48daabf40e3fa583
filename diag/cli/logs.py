"""``diag logs``: the log files of a node on this machine, as text, and what is appended to them."""

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import click

from diag.errors import InvalidRequest, NotFound
from diag.logs.files import Follower, last_lines
from diag.logs.formats import one_line, text_line

_DEFAULT: Final = Path("./.databend/logs")
_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "AUDIT")
_LOOK_SECONDS = 0.2
# Lines that are looked through for those that a choice leaves.
_LOOKED_THROUGH = 200_000


@click.command()
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path),
    default=_DEFAULT,
    show_default=True,
    help="Directory of the node's log files, or one of them.",
)
@click.option("--id", "node_id", type=int, help="Whose log, where the directory has several.")
@click.option("-n", "--lines", type=click.IntRange(0), default=100, show_default=True, help="Last lines.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is appended, until Ctrl-C.")
@click.option("--level", type=click.Choice(_LEVELS, case_sensitive=False), help="No less than that.")
@click.option("--request", "request_id", help="Only lines of the request with this id.")
@click.option("--json", "as_json", is_flag=True, help="Lines as they stand in the file.")
def logs(
    directory: Path,
    node_id: int | None,
    lines: int,
    follow: bool,
    level: str | None,
    request_id: str | None,
    as_json: bool,
) -> None:
    """Print the last lines of a node's log, and follow it through its rotations.

    --level AUDIT shows who took evidence or changed state. What cannot be printed is written out, as \\x1b;
    --json has it as it is.
    """
    path = _file(directory, node_id)
    follower = Follower(path) if follow else None
    wanted = _wanted(level, request_id)
    is_chosen = level is not None or request_id is not None
    found = [line for line in last_lines(path, _LOOKED_THROUGH if is_chosen else lines) if wanted(line)]
    _print(found[len(found) - lines if len(found) > lines else 0 :], as_json)
    try:
        while follower is not None:
            _print(filter(wanted, follower.lines()), as_json)
            time.sleep(_LOOK_SECONDS)
    except KeyboardInterrupt:
        return


def _file(directory: Path, node_id: int | None) -> Path:
    if directory.is_file():
        return directory
    if node_id is not None:
        path = directory / f"metadiag-{node_id}.log"
        if not path.exists():
            raise NotFound(f"there is no {path}; --dir names another directory")
        return path
    found = sorted(directory.glob("metadiag-*.log"))
    if not found:
        raise NotFound(f"there is no log in {directory}; --dir names another directory")
    if len(found) > 1:
        ids = ", ".join(path.stem.partition("-")[2] for path in found)
        raise InvalidRequest(f"{directory} has logs of the nodes {ids}; choose one by --id")
    return found[0]


def _wanted(level: str | None, request_id: str | None) -> Callable[[str], bool]:
    """Whether a line is one that was asked for; one that is no JSON is never of a level or a request."""
    least = _LEVELS.index(level) if level is not None else 0
    if level is None and request_id is None:
        return lambda _: True

    def wanted(line: str) -> bool:
        record = _record(line)
        if record is None or (request_id is not None and record.get("request_id") != request_id):
            return False
        return record.get("level") in _LEVELS[least:]

    return wanted


def _print(lines: Iterable[str], as_json: bool) -> None:
    for line in lines:
        # Without color click would take out what looks like a color.
        click.echo(line if as_json else "\n".join(map(one_line, _text(line).split("\n"))), color=True)


def _text(line: str) -> str:
    record = _record(line)
    if record is None:
        return line  # the node writes text already
    fields = record.get("fields")
    message = fields.get("message") if isinstance(fields, dict) else None
    return text_line(
        str(record.get("timestamp")),
        str(record.get("level")),
        str(record.get("target")),
        str(message),
        record.get("request_id"),
        record.get("exception"),
    )


def _record(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
