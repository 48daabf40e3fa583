"""Where what was fetched goes, and in which form.

Pictures replace a file of their name, as those of other tools do; a backup or evidence is not made twice,
so it replaces none unless told.
"""

import sys
from pathlib import Path

import click

from diag.errors import InvalidRequest

FORMS = ("svg", "html", "folded", "pprof", "speedscope", "zip")
_ENDINGS = {
    ".svg": "svg",
    ".html": "html",
    ".folded": "folded",
    ".pb.gz": "pprof",
    ".pprof": "pprof",
    ".speedscope.json": "speedscope",
    ".zip": "zip",
    ".txt": "text",
    ".json": "json",
}

overwrite_option = click.option("--overwrite", is_flag=True, help="Replace the file if there is one.")
output_option = click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path("-"), help="A file; - is standard output."
)


def form_for(output: Path, asked: str | None, forms: tuple[str, ...] = FORMS) -> str:
    """What was asked for, else what the file's ending says; the first of ``forms`` for one without an ending.

    UsageError for an ending of none of them: a picture under it looks like a success until it is read.
    """
    if asked is not None:
        return asked
    name = output.name.lower()
    if not Path(name).suffix:
        return forms[0]
    known = {ending: form for ending, form in _ENDINGS.items() if form in forms}
    told = next((form for ending, form in known.items() if name.endswith(ending)), None)
    if told is None:
        raise click.UsageError(
            f"{output} ends with {Path(name).suffix}, which is no ending of what this writes; "
            f"choose one of {', '.join(known)}, or give the form by an option (see --help)."
        )
    return told


def write(output: Path, content: bytes) -> None:
    """To the file, or to standard output for ``-``."""
    if str(output) == "-":
        sys.stdout.buffer.write(content)
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise click.FileError(str(output), error.strerror) from None


def require_new(target: Path, overwrite: bool) -> None:
    """InvalidRequest where ``target`` is there and may not be replaced, or is no file and cannot be."""
    if target.exists() and not target.is_file():
        kind = "a directory" if target.is_dir() else "no ordinary file"
        raise InvalidRequest(f"{target} is {kind}; name a file")
    if target.exists() and not overwrite:
        raise InvalidRequest(f"{target} is there; name another file, or say --overwrite")
