"""``diag profile cpu | heap | trace | threads -o FILE``: a profile of a running node, by its admin API."""

from pathlib import Path

import click
from rich.console import Console

from diag.cli import kept, ranges
from diag.cli.admin_client import admin_options, fetch, node_option, of_node
from diag.cli.kinds import Seconds
from diag.cli.output import FORMS, form_for, output_option, write

_FORMAT = click.option(
    "--format",
    "form",
    type=click.Choice(FORMS),
    help="Default: by the file's ending, else svg. zip: each node's picture and stacks.",
)
_OF_THREADS = ("text", "json")
_NAME = click.option("--name", help="What the node calls the profile it keeps, such as before-upgrade.")


@click.group(commands=(*kept.COMMANDS, ranges.range_))
def profile() -> None:
    """Take a profile of a running node, or see those that it keeps."""


@profile.command()
@admin_options
@node_option
@output_option
@_FORMAT
@_NAME
@click.option("--seconds", type=Seconds(0.1, 300), default=5.0, show_default=True)
@click.option("--frequency", type=int, help="Samples a second; by default as many as the node bears.")
@click.option("--mode", type=click.Choice(["cpu", "gil", "wall"]), default="cpu", show_default=True)
@click.option(
    "--engine",
    type=click.Choice(["auto", "py-spy", "inprocess"]),
    default="auto",
    show_default=True,
)
@click.option("--native", is_flag=True, help="Frames of C code too.")
def cpu(
    endpoint: str,
    token: str | None,
    node: str | None,
    output: Path,
    form: str | None,
    name: str | None,
    seconds: float,
    frequency: int | None,
    mode: str,
    engine: str,
    native: bool,
) -> int:
    """Where the node spends its CPU."""
    params = {"mode": mode, "engine": engine, **of_node(node), **_called(name)}
    if frequency is not None:
        params["frequency"] = str(frequency)
    if native:
        params["native"] = "true"
    return _take(endpoint, token, "profile", seconds, params, output, form)


@profile.command()
@admin_options
@node_option
@output_option
@_FORMAT
@_NAME
@click.option("--seconds", type=Seconds(0.1, 300), default=10.0, show_default=True)
@click.option(
    "--mode",
    type=click.Choice(["peak", "leaks", "temporary", "allocations"]),
    default="peak",
    show_default=True,
)
def heap(
    endpoint: str,
    token: str | None,
    node: str | None,
    output: Path,
    form: str | None,
    name: str | None,
    seconds: float,
    mode: str,
) -> int:
    """Which functions hold, or held, memory."""
    return _take(
        endpoint, token, "heap", seconds, {"mode": mode, **of_node(node), **_called(name)}, output, form
    )


@profile.command()
@admin_options
@node_option
@output_option
@_FORMAT
@_NAME
@click.option("--seconds", type=Seconds(0.1, 300), default=5.0, show_default=True)
@click.option("--renderer", type=click.Choice(["flamegraph", "flameprof"]), default="flamegraph")
def trace(
    endpoint: str,
    token: str | None,
    node: str | None,
    output: Path,
    form: str | None,
    name: str | None,
    seconds: float,
    renderer: str,
) -> int:
    """Every call of the serving thread, by cProfile."""
    params = {"renderer": renderer, **of_node(node), **_called(name)}
    return _take(endpoint, token, "trace", seconds, params, output, form)


@profile.command()
@admin_options
@node_option
@output_option
@click.option("--json", "as_json", is_flag=True)
def threads(endpoint: str, token: str | None, node: str | None, output: Path, as_json: bool) -> int:
    """The stacks of all threads and tasks, now."""
    form = form_for(output, "json" if as_json else None, _OF_THREADS)
    params = {"format": form, **of_node(node)}
    write(output, fetch(endpoint, token, "/debug/pprof/threads", params).content)
    return 0


def _take(
    endpoint: str,
    token: str | None,
    route: str,
    seconds: float,
    params: dict[str, str],
    output: Path,
    form: str | None,
) -> int:
    params |= {"seconds": str(seconds), "format": form_for(output, form)}
    with Console(stderr=True).status(f"profiling {endpoint} for {seconds:g} s"):
        response = fetch(endpoint, token, f"/debug/pprof/{route}", params, seconds + 60)
    write(output, response.content)
    measured = [
        f"{name.removeprefix('x-profile-').removeprefix('x-nodes-')}={value}"
        for name, value in response.headers.items()
        if name.startswith(("x-profile-", "x-nodes-"))
    ]
    click.echo("  ".join(measured), err=True)
    return 0


def _called(name: str | None) -> dict[str, str]:
    return {} if name is None else {"name": name}
