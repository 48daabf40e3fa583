"""`python -m flamegraph`."""

from flamegraph.cli import entry

entry()
