"""The process around Databend Query: statements in by standard input, outcomes out by standard output.

One JSON object a line both ways. In: ``{"sql": text}``. Out, once the engine is
up: ``{"ready": seconds}``; then per statement ``{"seconds", "rows"}`` or
``{"seconds", "error"}``. Everything the engine itself prints goes to standard error.
"""

import json
import os
import sys
import time
from typing import Any, TextIO

#: Rows beyond this many would be cut from the engine's own table drawing.
_MAX_ROWS = 1_000
_MAX_WIDTH = 100_000


def main() -> None:
    """Serve statements for the tenant named by the first argument until the input ends."""
    replies = _take_stdout()
    started = time.perf_counter()
    # Importing connects to the meta service, or panics; the traceback belongs to stderr.
    from databend import SessionContext

    session = SessionContext(tenant=sys.argv[1])
    _send(replies, {"ready": time.perf_counter() - started})
    for line in sys.stdin:
        _send(replies, execute(session, json.loads(line)["sql"]))


def execute(session: Any, sql: str) -> dict[str, Any]:
    """One statement's outcome: its time in seconds and its rows, or what the engine said against it."""
    started = time.perf_counter()
    try:
        frame = session.sql(sql)
        frame.set_max_display_rows(_MAX_ROWS)
        frame.set_max_width(_MAX_WIDTH)
        frame.set_max_col_width(_MAX_WIDTH)
        blocks = frame.collect()
        seconds = time.perf_counter() - started
        return {"seconds": seconds, "rows": rows_of(str(blocks))}
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001  a panic of the engine is a BaseException
        return {"seconds": time.perf_counter() - started, "error": f"{type(error).__name__}: {error}"}


def rows_of(box: str) -> list[str]:
    """The rows of the engine's table drawing, each as its cells joined by ``, ``.

    The wheel offers values only through pyarrow or as this drawing; a cell that
    holds a line break continues on a line of its own and is not supported.
    """
    lines = box.splitlines()
    head = next((number for number, line in enumerate(lines) if line.startswith("├")), None)
    if head is None:
        return []
    body = [line for line in lines[head + 1 :] if line.startswith("│")]
    return [", ".join(cell.strip() for cell in line.strip("│").split("│")) for line in body]


def _take_stdout() -> TextIO:
    """A private stream on the real standard output; descriptor 1 becomes standard error."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return replies


def _send(replies: TextIO, message: dict[str, Any]) -> None:
    replies.write(json.dumps(message) + "\n")
    replies.flush()


if __name__ == "__main__":
    main()
