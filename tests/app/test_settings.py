from pathlib import Path

import pytest

from relayd.app.settings import journal_of
from relayd.config import load
from relayd.plugins import PluginError, settings_of
from relayd.testing.sources import FakeSource
from tests.harness.settled import write_settings


def test_a_log_that_is_nowhere_else_needs_a_journal(tmp_path: Path) -> None:
    """A stranger's source, too, of which the configuration knows nothing but its name."""
    nowhere = write_settings(tmp_path, {"journal": {"path": ""}, "source": {"use": "rabbitmq"}})
    config = load(nowhere, {}, settings_of)
    assert None is journal_of(config, FakeSource(replays=True))
    with pytest.raises(PluginError, match=r"^journal\.path: is required .*set it to a file$"):
        journal_of(config, FakeSource(replays=False))
