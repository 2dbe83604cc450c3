import logging
from collections.abc import Iterator

import pytest
import structlog

from relayd.telemetry.logs import FILTERED, QUIET


@pytest.fixture
def own_logging() -> Iterator[None]:
    """Give the process's logging back as it was, for `configure` changes it for everybody."""
    root = logging.getLogger()
    handlers, level = [*root.handlers], root.level
    levels = {name: logging.getLogger(name).level for name in QUIET}
    filters = {name: [*logging.getLogger(name).filters] for name in FILTERED}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    for name, known in filters.items():
        logging.getLogger(name).filters[:] = known
    structlog.reset_defaults()
