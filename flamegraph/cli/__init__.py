"""The `flamegraph` command. A subcommand is one module with `prepare(parser)` and `run(arguments)`.

A subcommand's docstring is its help. Only the one that is called is imported, and it imports what it needs
when it runs: a picture of a small profile takes less time than all modules of this library take to load.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from flamegraph.cli.outputs import complain
from flamegraph.errors import FlamegraphError
from flamegraph.record import Record

_CODES = """exit codes:
  0  done; check: nothing grew beyond the limits
  1  check alone: a regression
  2  wrong options; render: the profile is empty; check: it cannot be judged, whatever the reason
  3  the input cannot be read
  4  the output cannot be written

`flamegraph COMMAND --help` has options and examples of each command. - is standard input or output.
"""


_HELP_WIDTH = 100


class Command(Record):
    """One subcommand: its name, its line in the list, and the code it fails with if not the error's own."""

    name: str
    help: str
    fails_with: int | None = None


COMMANDS = (
    Command("render", "draw a profile as an interactive SVG or as a page"),
    Command("diff", "compare two profiles: which functions changed, by how much, how sure"),
    Command("check", "judge a profile against baselines: a gate for continuous integration", 2),
    Command("merge", "add up several profiles"),
    Command("top", "print the functions that weigh most"),
    Command("convert", "turn a profile into another format"),
    Command("frames", "print where each frame of the picture stands"),
    Command("csp-hash", "print what a content security policy needs to allow the pictures"),
)


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help of one width: asking the terminal for its width loads `shutil`, whether help is shown or not."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_HELP_WIDTH)


def entry() -> None:
    """`main` as a process of its own, which ends when it is done.

    Nothing here makes cycles worth collecting, and what a process holds is freed faster by the system.
    """
    gc.disable()
    code = main()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(code)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; errors go to standard error as a sentence."""
    words = sys.argv[1:] if argv is None else list(argv)
    parser = _parser(words)
    arguments, left = parser.parse_known_args(words)
    command: Command = arguments.command
    if left:
        parser.error(_not_taken(command, left))
    try:
        code: int | None = arguments.run(arguments)
    except FlamegraphError as error:
        complain(str(error))
        return error.exit_code if command.fails_with is None else command.fails_with
    except (MemoryError, OverflowError) as error:
        complain(
            "There is not enough memory for this profile."
            if isinstance(error, MemoryError)
            else "The weights of this profile are too large for floating point."
        )
        return 3 if command.fails_with is None else command.fails_with
    except KeyboardInterrupt:
        return 130
    return code or 0


def _not_taken(command: Command, left: Sequence[str]) -> str:
    """Words not taken; of an unknown option it alone, as its value shifts what follows."""
    options = [word for word in left if word.startswith("-")]
    told = f"there is no option {options[0]}" if options else f"unrecognized arguments: {' '.join(left)}"
    return f"{told}; see flamegraph {command.name} --help"


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="flamegraph",
        description="Profiles in, flame graphs and verdicts out.",
        epilog=_CODES,
        formatter_class=_Help,
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND", prog="flamegraph")
    called = next((word for word in words if not word.startswith("-")), "")
    # A parser takes a third of a millisecond to make: the others are there for the list, which is shown if it
    # is asked for before a command, and when none of them is called.
    alone = [command for command in COMMANDS if [command.name] == words[:1]]
    for command in alone or COMMANDS:
        if command.name != called:
            commands.add_parser(command.name, help=command.help, add_help=False)
            continue
        module = import_module(f"flamegraph.cli.{command.name.replace('-', '_')}")
        sub = commands.add_parser(
            command.name,
            help=command.help,
            description=module.__doc__,
            formatter_class=_Help,
        )
        module.prepare(sub)
        sub.set_defaults(run=module.run, command=command)
    return parser
