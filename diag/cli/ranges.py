"""``diag profile range``: always-on profiling's windows of an interval, or two intervals compared."""

from pathlib import Path

import click

from diag.cli.admin_client import admin_options, fetch, node_option, of_node
from diag.cli.output import FORMS, form_for, output_option, write

_COMPARED = ("svg", "html", "text", "json")
_FORMS = (*FORMS, "text", "json")
_DRAWN_SECONDS = 120.0
_TOLD = "x-range-", "x-base-range-"


@click.command("range")
@admin_options
@node_option
@output_option
@click.option(
    "--from", "start", default="-15m", show_default=True, help="-15m, seconds since 1970, or RFC 3339."
)
@click.option("--to", "end", default="now", show_default=True)
@click.option("--diff-from", help="Compare with the interval that begins there, such as -1d.")
@click.option("--diff-to", help="Where that one ends; by default it is as long as the first.")
@click.option("--by", type=click.Choice(["stack", "request"]), default="stack", show_default=True)
@click.option("--format", "form", type=click.Choice(_FORMS), help="Default: by the file's ending, else svg.")
def range_(
    endpoint: str,
    token: str | None,
    node: str | None,
    output: Path,
    start: str,
    end: str,
    diff_from: str | None,
    diff_to: str | None,
    by: str,
    form: str | None,
) -> int:
    """What the node did in an interval, where always-on profiling is on."""
    forms = _COMPARED if diff_from else (*FORMS, "json")
    params = {"from": start, "to": end, "by": by, "format": form_for(output, form, forms), **of_node(node)}
    params |= {name: value for name, value in (("diff_from", diff_from), ("diff_to", diff_to)) if value}
    response = fetch(endpoint, token, "/debug/profiles/range", params, _DRAWN_SECONDS)
    write(output, response.content)
    told = [
        f"{name.removeprefix('x-').removeprefix('range-')}={value}"
        for name, value in response.headers.items()
        if name.startswith(_TOLD)
    ]
    click.echo("  ".join(told), err=True)
    return 0
