"""The event loop of the async tests."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
