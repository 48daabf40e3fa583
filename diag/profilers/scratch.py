"""Files without a name: whatever ends the process, even ``kill -9``, takes them away."""

import tempfile
from pathlib import Path
from typing import IO

from diag.errors import NoSpace


def open_scratch(directory: Path | None) -> IO[bytes]:
    """An unlinked file, in ``directory`` or the system's place for temporary ones. Raises NoSpace."""
    try:
        return tempfile.TemporaryFile(dir=directory)
    except OSError as error:
        where = directory or "the directory for temporary files"
        raise NoSpace(
            f"A profile needs a temporary file and {where} refused it: {error.strerror}."
        ) from error


def scratch_path(file: IO[bytes]) -> str:
    """A path under which this process, and a child that inherits the descriptor, can open the file again."""
    return f"/dev/fd/{file.fileno()}"
