"""The process that is measured: ``python -P child.py serve ...`` runs a side's own ``diag`` package.

Run by its path, so that both sides are started by one program, whether or not their package has this file.
``DIAG_PERF_PARENT`` is the process with which it ends, even where that is killed.
``DIAG_PERF_CORES`` keeps it on those cores, ``DIAG_PERF_INJECT`` slows one function down.
``DIAG_PERF_MEMRAY`` names the file that takes its allocations from its start on, ``DIAG_PERF_BOOT_PROFILE``
one for its boot's stacks, ``DIAG_PERF_CALLS`` one for what its functions cost.
"""

import contextlib
import importlib.util
import os
import runpy
from pathlib import Path
from typing import Any


def main() -> None:
    """Ends as the command does, with SystemExit."""
    parent = os.environ.get("DIAG_PERF_PARENT")
    if parent:
        _ours("processes/leash").end_with(int(parent))
    cores = os.environ.get("DIAG_PERF_CORES")
    if cores:
        os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    with contextlib.ExitStack() as stack:
        capture = os.environ.get("DIAG_PERF_MEMRAY")
        if capture:
            from memray import FileDestination, FileFormat, Tracker

            destination = FileDestination(capture, overwrite=True, compress_on_exit=False)
            stack.enter_context(
                Tracker(
                    destination=destination,
                    file_format=FileFormat.AGGREGATED_ALLOCATIONS,
                    trace_python_allocators=True,
                )
            )
        profile = os.environ.get("DIAG_PERF_BOOT_PROFILE")
        if profile:
            _ours("perf/gate/boot_sampler").start(profile)
        calls = os.environ.get("DIAG_PERF_CALLS")
        if calls:
            _ours("perf/gate/call_times").start(calls)
        if os.environ.get("DIAG_PERF_INJECT"):
            _ours("perf/gate/inject").from_environment()
        runpy.run_module("diag", run_name="__main__", alter_sys=True)


def _ours(name: str) -> Any:
    """A module of the package around this file, by its path: a side from before it was written has none."""
    path = Path(__file__).parents[2] / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"perf_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
