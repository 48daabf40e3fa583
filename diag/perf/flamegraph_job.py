"""``make flamegraph``: a node under the real query engine and a KV load, and pictures of its inside.

A node starts in a temporary directory; while SQL and KV operations run against
it, its own routes profile it: CPU, memory, calls. Everything started here is
ended here, whatever happens in between.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from diag.errors import MetaError, Unavailable
from diag.perf.captures import ROUTES, Route, Taken, hottest, take
from diag.perf.engine import Engine, missing
from diag.perf.kv_load import KvLoad
from diag.perf.node_process import NodeProcess
from diag.perf.sql_workload import SqlWorkload

_POLL_SECONDS = 0.1
_HOTTEST = 10


@dataclass(frozen=True)
class Running:
    """The parts under way; ``sql`` is None where the load is KV alone."""

    node: NodeProcess
    kv: KvLoad
    sql: SqlWorkload | None

    def check(self) -> None:
        """Raise Unavailable with the last words of whichever part has ended."""
        self.node.check()
        if self.sql is not None:
            self.sql.check()
        self.kv.check()

    def done(self) -> str:
        """What the load has done so far."""
        sql = f"{self.sql.done:,} SQL statements, " if self.sql is not None else ""
        return f"{sql}{self.kv.done:,} KV operations"


def run(seconds: float, workload: str, out: Path, console: Console) -> None:
    """Take the three profiles of ``seconds`` each and write them to ``out``; MetaError when a part fails."""
    under = "under SQL and KV load" if workload == "sql" else "under KV load"
    _make_directory(out)
    with ExitStack() as stack:
        # Entered first, left last: a GET under way ends when the node is gone.
        pool = stack.enter_context(ThreadPoolExecutor(max_workers=1))
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="metadiag-")))
        running = _start(stack, directory, workload, console)
        taken = [_capture(pool, running, route, seconds, console) for route in ROUTES]
        console.print(f"load: {running.done()}")
    written = [path for capture in taken for path in capture.write(out, under)]
    console.print(_hot_table(taken[0]))
    for path in written:
        console.print(str(path), soft_wrap=True, highlight=False)


def _make_directory(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"The pictures cannot be written to {out}: {error.strerror}.") from error


def _start(stack: ExitStack, directory: Path, workload: str, console: Console) -> Running:
    started = time.perf_counter()
    # What a node that is killed leaves in its scratch goes with the directory.
    node = stack.enter_context(NodeProcess(directory / "node", scratch=directory, leash=True))
    console.print(f"node healthy after {time.perf_counter() - started:.2f} s, gRPC on {node.grpc}")
    try:
        sql = _start_sql(stack, directory, node, console) if workload == "sql" else None
        kv = stack.enter_context(KvLoad(directory, node.grpc, in_flight=2 if sql else 16))
    except MetaError:
        node.check()  # where the node is gone, that is what there is to tell
        raise
    return Running(node, kv, sql)


def _start_sql(stack: ExitStack, directory: Path, node: NodeProcess, console: Console) -> SqlWorkload:
    started = time.perf_counter()
    engine = stack.enter_context(Engine(directory / "engine", meta=node.grpc, cluster_id="flamegraph"))
    console.print(f"query engine connected after {time.perf_counter() - started:.2f} s")
    return stack.enter_context(SqlWorkload(engine))


def _capture(
    pool: ThreadPoolExecutor, running: Running, route: Route, seconds: float, console: Console
) -> Taken:
    future = pool.submit(take, running.node.admin, route, seconds)
    try:
        _watch(future, running, route, seconds, console)
        capture = future.result()
    except MetaError:
        # The request is the first to notice that the node dies; the node's own last words say more.
        time.sleep(_POLL_SECONDS)
        running.check()
        raise
    running.check()
    console.print(f"{route.name}: {capture.measured}", highlight=False)
    for note in capture.notes:
        console.print(f"{route.name}: {note}", style="yellow", highlight=False, markup=False)
    return capture


def _watch(future: Future[Taken], running: Running, route: Route, seconds: float, console: Console) -> None:
    """Show progress until the capture is there, and stop at once when a part ends."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[done]}"), console=console, transient=True) as progress:
        task = progress.add_task(f"{route.name} profile", total=seconds, done="")
        started = time.monotonic()
        while not future.done():
            running.check()
            progress.update(task, completed=time.monotonic() - started, done=running.done())
            time.sleep(_POLL_SECONDS)


def _hot_table(capture: Taken) -> Table:
    table = Table(title=f"The ten hottest functions of {capture.route.name}", title_justify="left", box=None)
    table.add_column("self", justify="right")
    table.add_column("total", justify="right")
    table.add_column("function", overflow="fold")
    for function in hottest(capture.profile(), _HOTTEST):
        table.add_row(f"{function.own:.1%}", f"{function.total:.1%}", escape(function.name))
    return table


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m diag.perf.flamegraph_job")
    parser.add_argument("--seconds", type=_seconds, default=8.0, help="length of each profile, 0.1 to 300")
    parser.add_argument("--workload", choices=["sql", "kv"], default="sql")
    parser.add_argument("--out", type=Path, default=Path("build/flamegraph"))
    return parser.parse_args(argv)


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.1 <= value <= 300:
        raise argparse.ArgumentTypeError(f"{text} is not within 0.1 to 300 seconds")
    return value


def main(argv: Sequence[str] | None = None) -> int:
    """0 done, 1 a part failed, 2 a wrong option, 130 interrupted; nothing is left running in any case."""
    options = _options(argv)
    console = Console()
    workload = options.workload
    reason = missing()
    if workload == "sql" and reason is not None:
        console.print(f"{reason} The load is KV alone.", style="yellow", markup=False)
        workload = "kv"
    try:
        run(options.seconds, workload, options.out, console)
    except MetaError as error:
        console.print(f"make flamegraph: {error}", style="red", markup=False, highlight=False)
        return error.exit_code
    except KeyboardInterrupt:
        console.print("make flamegraph: interrupted; nothing is left running.", style="red")
        return 130
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
