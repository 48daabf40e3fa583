"""``diag token`` and ``diag routes``: who may come in, and where to."""

import os
import re
import stat
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from diag.admin.roles import Role
from diag.admin.rules import RULES
from diag.admin.tokens import entry, new_token, read_tokens
from diag.cli.tables import aligned
from diag.errors import ConfigError, InvalidRequest

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


@click.command()
@click.option("--name", required=True, help="Whose it is; stands in the audit log.")
@click.option("--role", type=click.Choice([role.word for role in Role]), default="read", show_default=True)
@click.option("--expires", metavar="90d", help="How long it holds, in h, d or w; default: for ever.")
@click.option("--file", type=click.Path(path_type=Path, dir_okay=False), help="Tokens file to add it to.")
def token(name: str, role: str, expires: str | None, file: Path | None) -> None:
    """Make a token for a tokens file, and print it. Nobody can print it again: the file has its hash.

    Without --file the entry for the file is printed too, to standard error. A node that runs reads the
    file again by itself.
    """
    made, found = new_token(), Role.of(role)
    assert found is not None
    lines = entry(made, name, found, None if expires is None else datetime.now(UTC) + _span(expires))
    if file is None:
        click.echo(f"Add to the tokens file:\n\n{lines}", err=True)
    else:
        _add(file, lines)
    click.echo(made)


@click.command()
def routes() -> None:
    """Print which role each route of the admin API needs, and which leave a line in the audit log."""
    rows = [
        (rule.method, rule.path, rule.role.word if rule.role else "everybody", "yes" if rule.audited else "")
        for rule in RULES
    ]
    for line in aligned([("METHOD", "ROUTE", "ROLE", "AUDITED"), *rows], gap="  "):
        click.echo(line)


def _span(text: str) -> timedelta:
    found = re.fullmatch(r"([1-9]\d{0,4})([hdw])", text, re.ASCII)
    if found is None:
        raise InvalidRequest(f"--expires is {text!r}; it must be 1 to 99999 and h, d or w, such as 90d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _add(file: Path, lines: str) -> None:
    held = file.read_text("utf-8") if file.exists() else ""
    text = f"{held.rstrip()}\n\n{lines}" if held.strip() else lines
    try:
        read_tokens(text)
    except ConfigError as error:
        raise ConfigError(f"nothing was added to {file}: {error}") from None
    _replace(file, text)


def _replace(file: Path, text: str) -> None:
    """Whole or not at all: a running node reads the file when it changes. Who read it before still may."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=file.parent, delete=False) as written:
        try:
            if file.exists():
                _keep_access(written.fileno(), file)
            written.write(text)
            written.close()
            Path(written.name).replace(file)
        except BaseException:
            Path(written.name).unlink()
            raise


def _keep_access(descriptor: int, file: Path) -> None:
    """Give the new file the owner, group and mode of ``file``.

    A node that runs as another user would otherwise be locked out of its own tokens by each one added.
    """
    was = file.stat()
    try:
        os.fchown(descriptor, was.st_uid, was.st_gid)
    except PermissionError:
        click.echo(
            f"{file} is yours now; it was of user {was.st_uid} and group {was.st_gid}, which root alone can "
            "keep: see that the node can read it",
            err=True,
        )
    os.fchmod(descriptor, stat.S_IMODE(was.st_mode))
