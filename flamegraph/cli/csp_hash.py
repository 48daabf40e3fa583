"""Prints the directives of a content security policy that allow the pictures and nothing more. Script and
style sheets are constant, so the hashes are those of every picture this version draws.

examples:
  flamegraph csp-hash
  flamegraph csp-hash --json
"""

from __future__ import annotations

import argparse

from flamegraph.cli.outputs import write_text


def prepare(parser: argparse.ArgumentParser) -> None:
    """No input."""
    parser.add_argument("--json", action="store_true", help="lists of hashes by directive")


def run(arguments: argparse.Namespace) -> None:
    """One line a directive."""
    from flamegraph.csp import csp_hashes

    hashes = csp_hashes()
    if arguments.json:
        import json

        write_text("-", json.dumps(hashes, indent=2) + "\n")
        return
    write_text("-", "".join(f"{directive} {' '.join(sources)}\n" for directive, sources in hashes.items()))
