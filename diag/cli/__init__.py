"""The ``diag`` command: one file a group of subcommands; ``main`` turns errors into a sentence and a code."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from diag.errors import MetaError

#: Where each subcommand stands; imported when used, so that a node that starts loads no HTTP client.
_COMMANDS = {
    "serve": "serve:serve",
    "status": "inspect:status",
    "nodes": "inspect:nodes",
    "metrics": "inspect:metrics",
    "snapshot": "inspect:snapshot",
    "transfer": "members:transfer",
    "join": "members:join",
    "promote": "members:promote",
    "leave": "members:leave",
    "doctor": "doctor:doctor",
    "bundle": "bundle:bundle",
    "profile": "profile:profile",
    "kv": "kv:kv",
    "watch": "kv:watch",
    "export": "backup:export",
    "import": "backup:import_",
    "restore": "backup:restore",
    "perf": "perf:perf",
    "token": "doors:token",
    "routes": "doors:routes",
    "logs": "logs:logs",
}


class LazyGroup(click.Group):
    """A group whose subcommands are imported one by one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(":")
        command: Any = getattr(import_module(f"diag.cli.{module}"), name)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="metadiag")
def diag() -> None:
    """A meta service you can see inside."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 done, 1 failed, 2 a wrong call or configuration, 130 interrupted."""
    try:
        for word in sys.argv[1:] if argv is None else argv:
            word.encode()
        code = diag.main(args=argv, prog_name="diag", standalone_mode=False)
    except click.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except UnicodeEncodeError as error:
        click.echo(
            f"diag: {error.object!r} is not UTF-8, and keys and values given as words must be", err=True
        )
        return 2
    except BrokenPipeError:
        # Who read the output has had enough; nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        click.echo(f"diag: {error.filename or 'failed'}: {error.strerror or error}", err=True)
        return 1
    except MetaError as error:
        click.echo(f"diag: {error}", err=True)
        return error.exit_code
    return int(code or 0)


if __name__ == "__main__":
    sys.exit(main())
