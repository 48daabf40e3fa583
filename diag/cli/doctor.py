"""``diag doctor``: what is wrong with a cluster, in sentences, and what to do next."""

import json
from pathlib import Path

import click
from pydantic import ValidationError

from diag.cli.admin_client import DEFAULT_ADMIN, credential_options, fetch, url_of
from diag.doctor.finding import EXIT_CODES, Finding, Report, report
from diag.errors import MetaError, Unavailable

#: The exit code where nobody could look: a wrong call, or no right to ask.
UNKNOWN = 3

_WAIT_SECONDS = 5.0


@click.command()
@click.option(
    "--endpoint",
    "endpoints",
    multiple=True,
    default=[DEFAULT_ADMIN],
    show_default=True,
    help="Admin address, host:port or URL; several are asked in turn until one answers.",
)
@credential_options
@click.option(
    "--raft-dir",
    type=click.Path(path_type=Path),
    help="Look at a stopped node's directory instead; nothing in it is changed.",
)
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
def doctor(endpoints: tuple[str, ...], token: str | None, raft_dir: Path | None, as_json: bool) -> int:
    """Say what is wrong with the cluster, by what evidence, and what to do next.

    The node asked asks all the others. Exit code 0: nothing found. 1: warnings. 2: something critical, as
    when no node answers. 3: it was not permitted to look.
    """
    try:
        found = _report(endpoints, token) if raft_dir is None else _of_directory(raft_dir)
    except MetaError as error:
        click.echo(f"diag: {error}", err=True)
        return UNKNOWN
    click.echo(json.dumps(found.as_dict(), indent=2) if as_json else found.text(), nl=as_json)
    return EXIT_CODES[found.severity]


def _report(endpoints: tuple[str, ...], token: str | None) -> Report:
    """By the first node that answers; those before it that do not are findings themselves."""
    silent: list[Finding] = []
    for endpoint in endpoints:
        try:
            answer = fetch(endpoint, token, "/debug/doctor", {"format": "json"}, _WAIT_SECONDS)
            told = Report.model_validate_json(answer.content)
        except Unavailable as failure:
            silent.append(_no_answer(endpoint, str(failure)))
        except ValidationError:
            silent.append(_no_answer(endpoint, "what it answers is no report; is it a node of this version?"))
        else:
            return report(iter([*silent, *told.findings]), told.answered, told.silent, told.checks)
    return report(iter(silent), (), (), ())


def _of_directory(raft_dir: Path) -> Report:
    # What looks into a store is not needed to ask a node.
    from diag.doctor.offline import directory_facts
    from diag.doctor.rules.directory import examine_directory

    return examine_directory(directory_facts(raft_dir))


def _no_answer(endpoint: str, reason: str) -> Finding:
    return Finding(
        name="silent_node",
        severity="critical",
        node=None,
        says=f"The node at {url_of(endpoint)} does not answer.",
        evidence=(reason,),
        next="systemctl status: does its process run? Or ask another node with --endpoint",
    )
