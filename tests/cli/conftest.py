from collections.abc import Iterator
from pathlib import Path

import pytest

from diag.perf.node_process import NodeProcess


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """One node that the command's tests share."""
    directory: Path = tmp_path_factory.mktemp("cli")
    with NodeProcess(directory / "node") as running:
        yield running
