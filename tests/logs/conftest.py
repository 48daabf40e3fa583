import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """The process's logging as it was before."""
    logger = logging.getLogger("diag")
    before = (list(logger.handlers), logger.level, logger.propagate)
    yield
    for handler in logger.handlers:
        handler.close()
    logger.handlers[:], level, logger.propagate = before
    logger.setLevel(level)  # which forgets what was found out with the other
