"""Judges whether a function grew between two profiles by more than chance and more than the limits allow. A
function is judged by its own share, so that its callers are not blamed; names of new functions and growth
spread over many callees are found too. Several baselines show how much a share varies by itself: growth
within that is no finding.

exit codes: 0 nothing grew, 1 something did, 2 it cannot be judged (bad input, an empty profile, too few
samples).

examples:
  flamegraph check main.folded branch.folded
  flamegraph check main1.folded branch.folded --baseline main2.folded main3.folded --svg diff.svg
  flamegraph check base.pb.gz new.pb.gz --no-line-numbers --max-growth 2 --min-share 0.5 --json > verdict.json
  flamegraph check base.folded new.folded --github
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from flamegraph.check import Limits, check
from flamegraph.cli.inputs import add_reading, read_inputs
from flamegraph.cli.outputs import write_text
from flamegraph.diff import DESIGN_EFFECT

if TYPE_CHECKING:
    from flamegraph.check import Verdict

_POINT = 100


def prepare(parser: argparse.ArgumentParser) -> None:
    """Two inputs or more; limits; a verdict in one of three forms."""
    parser.usage = "%(prog)s [options] base new"
    limits = Limits()
    parser.add_argument("base", help="the profile to judge by; - is standard input")
    parser.add_argument("new", help="the profile to judge")
    parser.add_argument(
        "--baseline", nargs="+", action="extend", default=[], metavar="MORE", help="more profiles to judge by"
    )
    group = parser.add_argument_group("limits: a finding is over all of them")
    for option, default, metavar, text in (
        ("--max-growth", _POINT * limits.growth, "POINTS", "growth of a share, in points of the whole"),
        ("--max-relative", _POINT * limits.relative, "PERCENT", "growth relative to the base's share"),
        ("--min-z", limits.z, "Z", "standard errors of the growth"),
        ("--min-share", _POINT * limits.share, "PERCENT", "share of the whole in the new profile"),
        ("--min-samples", limits.samples, "COUNT", "samples without which nothing is judged"),
        ("--design-effect", DESIGN_EFFECT, "FACTOR", "how much more than independent samples shares vary"),
    ):
        group.add_argument(option, type=float, default=default, metavar=metavar, help=f"{text} ({default:g})")
    parser.add_argument(
        "--no-normalize", action="store_true", help="judge weights, not shares: all did the same work"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="the verdict as JSON")
    form.add_argument("--github", action="store_true", help="the text, then annotations for GitHub Actions")
    parser.add_argument("--svg", metavar="FILE", help="draw the comparison too, whatever the verdict")
    add_reading(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prints the verdict, draws, and returns 0 or 1. A defect of ours must not pass for a regression."""
    from flamegraph.errors import FlamegraphError

    try:
        return _run(arguments)
    except (FlamegraphError, MemoryError, OverflowError):
        raise
    except Exception:  # noqa: BLE001 - whatever it is: an exit code of 1 would be a verdict
        import traceback

        traceback.print_exc()
        return 2


def _run(arguments: argparse.Namespace) -> int:
    base, *more, new = read_inputs(arguments, (arguments.base, *arguments.baseline, arguments.new))
    verdict = check(
        base,
        new,
        baselines=more,
        limits=Limits(
            growth=arguments.max_growth / _POINT,
            relative=arguments.max_relative / _POINT,
            z=arguments.min_z,
            share=arguments.min_share / _POINT,
            samples=arguments.min_samples,
        ),
        normalize=not arguments.no_normalize,
        design_effect=arguments.design_effect,
    )
    write_text("-", _told(arguments, verdict))
    if arguments.svg:
        from flamegraph.svg import render

        write_text(arguments.svg, render(verdict.diff, title="What changed"))
    return verdict.exit_code


def _told(arguments: argparse.Namespace, verdict: Verdict) -> str:
    from flamegraph.report import verdict_github, verdict_json, verdict_text

    if arguments.json:
        return verdict_json(verdict)
    return verdict_text(verdict) + (verdict_github(verdict) if arguments.github else "")
