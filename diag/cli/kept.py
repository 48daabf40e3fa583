"""``diag profile list | get | diff | start | name | delete | upload``: the profiles that a node keeps."""

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import click
from rich.console import Console

from diag.cli.admin_client import admin_options, fetch, node_option, of_node
from diag.cli.kinds import Seconds
from diag.cli.output import FORMS, form_for, output_option, write
from diag.cli.tables import aligned

_ROUTE = "/debug/profiles"
_HEADINGS = (
    "ID",
    "NAME",
    "KIND",
    "MODE",
    "WHEN",
    "SECONDS",
    "RATE",
    "SAMPLES",
    "ENGINE",
    "REQUESTS",
    "STATE",
)
_COMPARED = ("svg", "html", "text", "json")
_KINDS = ("cpu", "heap", "trace")
_DRAWN_SECONDS = 120.0
_POLL_SECONDS = 0.5


@click.command("list")
@admin_options
@node_option
@click.option("--kind", type=click.Choice(_KINDS))
@click.option("--json", "as_json", is_flag=True, help="The whole answer as JSON.")
def list_(endpoint: str, token: str | None, node: str | None, kind: str | None, as_json: bool) -> int:
    """The profiles a node keeps, the newest first."""
    params = of_node(node) | ({"kind": kind} if kind else {})
    answer = fetch(endpoint, token, _ROUTE, params).json()
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    elif node == "all":
        click.echo("\n".join(_of_nodes(answer)))
    else:
        click.echo("\n".join(_table(answer)))
    return 0


@click.command()
@admin_options
@node_option
@output_option
@click.option("--format", "form", type=click.Choice([*FORMS, "json"]), help="Default: by the file's ending.")
@click.argument("profile")
def get(
    endpoint: str, token: str | None, node: str | None, output: Path, form: str | None, profile: str
) -> int:
    """A kept profile, by its id or its name; waits for one that is on its way."""
    params = {"format": form_for(output, form, (*FORMS, "json")), **of_node(node)}
    with Console(stderr=True).status(f"waiting for {profile}"):
        write(output, _once_there(endpoint, token, profile, params))
    return 0


@click.command()
@admin_options
@node_option
@output_option
@click.option("--format", "form", type=click.Choice(_COMPARED), help="Default: by the file's ending.")
@click.argument("base")
@click.argument("new")
def diff(
    endpoint: str,
    token: str | None,
    node: str | None,
    output: Path,
    form: str | None,
    base: str,
    new: str,
) -> int:
    """What NEW has more or less of than BASE; text on standard output, else a picture."""
    default = "text" if str(output) == "-" else form_for(output, None, _COMPARED)
    params = {"format": form or default, **of_node(node)}
    write(
        output,
        fetch(endpoint, token, f"{_at(base)}/diff/{quote(new, safe='')}", params, _DRAWN_SECONDS).content,
    )
    return 0


@click.command()
@admin_options
@node_option
@click.option("--seconds", type=Seconds(0.1, 300), default=30.0, show_default=True)
@click.option("--frequency", type=int, help="CPU: samples a second.")
@click.option("--mode", help="As of the profile's own command.")
@click.option("--name", help="Such as before-upgrade.")
@click.argument("kind", type=click.Choice(_KINDS))
def start(
    endpoint: str,
    token: str | None,
    node: str | None,
    seconds: float,
    frequency: int | None,
    mode: str | None,
    name: str | None,
    kind: str,
) -> int:
    """Start a profile and return at once; prints its id."""
    given = {"frequency": frequency, "mode": mode, "name": name}
    params = {"kind": kind, "seconds": str(seconds), **of_node(node)}
    params |= {key: str(value) for key, value in given.items() if value is not None}
    click.echo(fetch(endpoint, token, _ROUTE, params, method="POST").json()["id"])
    return 0


@click.command()
@admin_options
@node_option
@click.argument("profile")
@click.argument("name")
def name(endpoint: str, token: str | None, node: str | None, profile: str, name: str) -> int:
    """Give a kept profile a name."""
    fetch(endpoint, token, _at(profile), {"name": name, **of_node(node)}, method="POST")
    return 0


@click.command()
@admin_options
@node_option
@click.argument("profiles", nargs=-1, required=True)
def delete(endpoint: str, token: str | None, node: str | None, profiles: tuple[str, ...]) -> int:
    """Forget profiles, by id or name; one that is on its way is ended."""
    for profile in profiles:
        fetch(endpoint, token, _at(profile), of_node(node), method="DELETE")
    return 0


@click.command()
@admin_options
@click.option("--name", help="Such as before-upgrade.")
@click.option("--unit", help="What the weights are, where the format does not say so.")
@click.argument("file", type=click.File("rb"))
def upload(endpoint: str, token: str | None, name: str | None, unit: str | None, file: BinaryIO) -> int:
    """Have a node keep a profile that was taken elsewhere; prints its id."""
    params = {key: value for key, value in (("name", name), ("unit", unit)) if value is not None}
    answer = fetch(endpoint, token, _ROUTE, params, _DRAWN_SECONDS, "POST", file.read())
    click.echo(answer.json()["id"])
    return 0


COMMANDS = (list_, get, diff, start, name, delete, upload)


def _at(profile: str) -> str:
    return f"{_ROUTE}/{quote(profile, safe='')}"


def _once_there(endpoint: str, token: str | None, profile: str, params: dict[str, str]) -> bytes:
    while True:
        response = fetch(endpoint, token, _at(profile), params, _DRAWN_SECONDS)
        if response.status_code != 202:
            return response.content
        time.sleep(max(_POLL_SECONDS, min(float(response.json()["remaining"]), 5.0)))


def _of_nodes(answer: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for node in answer:
        yield f"node {node['id']}:" + (f" {node['error']}" if "error" in node else "")
        if node.get("profiles"):
            yield from _table(node["profiles"])


def _table(profiles: Sequence[Mapping[str, Any]]) -> list[str]:
    return aligned([_HEADINGS, *map(_words, profiles)], gap="  ")


def _words(profile: Mapping[str, Any]) -> list[str]:
    values = [
        profile["id"],
        profile.get("name"),
        profile.get("kind"),
        profile.get("mode"),
        (profile.get("when") or "")[:19],
        _short(profile.get("seconds")),
        _short(profile.get("rate")),
        profile.get("samples"),
        profile.get("engine"),
        (profile.get("load") or {}).get("requests"),
        profile["state"],
    ]
    return ["-" if value in (None, "") else str(value) for value in values]


def _short(number: float | None) -> str | None:
    return None if number is None else f"{math.floor(number * 10 + 0.5) / 10:g}"
