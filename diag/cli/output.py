"""Where a profile that was fetched goes, and in which form."""

import sys
from pathlib import Path

import click

FORMS = ("svg", "html", "folded", "pprof", "speedscope", "zip")
_ENDINGS = {
    ".html": "html",
    ".folded": "folded",
    ".pb.gz": "pprof",
    ".pprof": "pprof",
    ".speedscope.json": "speedscope",
    ".zip": "zip",
    ".txt": "text",
    ".json": "json",
}

output_option = click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path("-"), help="A file; - is standard output."
)


def form_for(output: Path, asked: str | None, forms: tuple[str, ...] = FORMS) -> str:
    """What was asked for, else what the file's ending says, else svg."""
    if asked is not None:
        return asked
    told = next((form for ending, form in _ENDINGS.items() if output.name.endswith(ending)), "svg")
    return told if told in forms else "svg"


def write(output: Path, content: bytes) -> None:
    """To the file, or to standard output for ``-``."""
    if str(output) == "-":
        sys.stdout.buffer.write(content)
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise click.FileError(str(output), error.strerror) from None
