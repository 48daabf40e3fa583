"""The nodes of the admin tests as fixtures."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.admin.members import Cluster, three_nodes
from tests.admin.served import Served, serving


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path) as served:
        yield served


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with three_nodes(tmp_path) as nodes:
        yield nodes
