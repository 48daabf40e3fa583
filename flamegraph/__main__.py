"""`python -m flamegraph`."""

import sys

from flamegraph.cli import main

sys.exit(main())
