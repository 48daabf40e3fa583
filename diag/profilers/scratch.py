"""Files without a name: whatever ends the process, even ``kill -9``, takes them away."""

import contextlib
import tempfile
from pathlib import Path
from typing import IO

from diag.errors import NoSpace


def open_scratch(directory: Path | None) -> IO[bytes]:
    """An unlinked file, in ``directory`` or the system's place for temporary ones. Raises NoSpace."""
    try:
        return tempfile.TemporaryFile(dir=directory)
    except OSError as error:
        raise _refused(directory, error) from error


def filled_scratch(*parts: bytes) -> IO[bytes]:
    """An unlinked file that holds the parts, to be read from its beginning. Raises NoSpace."""
    file = open_scratch(None)
    try:
        for part in parts:
            file.write(part)
        file.seek(0)
    except OSError as error:
        with contextlib.suppress(OSError):  # it tries to write the rest once more
            file.close()
        raise _refused(None, error) from error
    return file


def _refused(directory: Path | None, error: OSError) -> NoSpace:
    where = directory or "the directory for temporary files"
    return NoSpace(
        f"A profile needs a temporary file and {where} refused it: {error.strerror}. "
        "Free some space there, or point TMPDIR elsewhere."
    )


def scratch_path(file: IO[bytes]) -> str:
    """A path under which this process, and a child that inherits the descriptor, can open the file again."""
    return f"/dev/fd/{file.fileno()}"
