"""The same SQL script on our node and on the engine's own embedded store, in alternating rounds."""

from pathlib import Path
from statistics import median

from diag.perf.engine import Engine, run_script
from diag.perf.figures import Figure, quartiles
from diag.perf.node_process import NodeProcess
from diag.perf.sql import script

MOST_TIMES_EMBEDDED = 2.0


def measure(directory: Path, *, rounds: int = 7) -> list[Figure]:
    """The ratio of the total statement times, as the median over pairs of neighbouring rounds."""
    statements = script("bench")
    with (
        NodeProcess(directory / "node") as node,
        Engine(directory / "on_node", meta=node.grpc, cluster_id="bench") as on_node,
        Engine(directory / "embedded", meta=None) as embedded,
    ):

        def seconds(engine: Engine) -> float:
            return sum(outcome.seconds for outcome in run_script(engine, statements))

        for engine in (on_node, embedded):
            seconds(engine)  # the first round fills caches on both sides
        pairs = []
        for turn in range(rounds):
            # Whoever goes first also pays for what the machine does just then: take turns.
            order = (on_node, embedded) if turn % 2 == 0 else (embedded, on_node)
            taken = {engine: seconds(engine) for engine in order}
            pairs.append((taken[on_node], taken[embedded]))
    ours, theirs = (median(column) for column in zip(*pairs, strict=True))
    ratio = median(mine / other for mine, other in pairs)
    low, high = quartiles([mine / other for mine, other in pairs])
    detail = (
        f"{ours:.2f} s : {theirs:.2f} s, {len(statements)} statements, {rounds} pairs, "
        f"quartiles {low:.2f} to {high:.2f}"
    )
    return [Figure("SQL script, node : embedded store", ratio, "<=", MOST_TIMES_EMBEDDED, detail=detail)]
