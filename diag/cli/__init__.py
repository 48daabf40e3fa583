"""The ``diag`` command. One file a group of subcommands; ``main`` turns errors into a sentence and an exit code."""

import sys
from collections.abc import Sequence

import click
import grpc
import httpx

from diag.cli import backup, inspect, kv, profile, serve
from diag.errors import MetaError

_COMMANDS: tuple[click.Command, ...] = (
    serve.serve,
    inspect.status,
    inspect.nodes,
    inspect.metrics,
    inspect.snapshot,
    profile.profile,
    kv.kv,
    kv.watch,
    backup.export,
    backup.import_,
    backup.restore,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="metadiag")
def diag() -> None:
    """A meta service you can see inside."""


for _command in _COMMANDS:
    diag.add_command(_command)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 done, 1 failed, 2 a wrong call or configuration, 130 interrupted."""
    try:
        code = diag.main(args=argv, prog_name="diag", standalone_mode=False)
    except click.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except MetaError as error:
        return _failed(str(error), error.exit_code)
    except grpc.RpcError as error:
        return _failed(f"{error.code().name}: {error.details()}", 1)  # type: ignore[attr-defined]
    except httpx.TransportError as error:
        return _failed(f"cannot reach {error.request.url}: {error}; is the node up, and --endpoint right?", 1)
    return int(code or 0)


def _failed(message: str, code: int) -> int:
    click.echo(f"diag: {message}", err=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
