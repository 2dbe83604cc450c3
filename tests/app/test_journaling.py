"""What readiness and metrics are told of the journal."""

from pathlib import Path

from relayd.app.clock import SystemClock
from relayd.app.journaling import Journaling, journaling
from relayd.app.settings import limits_of
from relayd.config import load
from relayd.core.log import Log
from relayd.plugins import settings_of
from relayd.ports import JournalError, Source
from relayd.relay.subscription import Subscription
from relayd.testing.sources import FakeSource
from relayd.testing.world import RecordingObserver
from tests.harness.settled import Tables, write_settings

RABBIT: Tables = {"source": {"use": "rabbitmq"}, "sources.rabbitmq": {"url": "amqp://localhost/"}}


def made(folder: Path, source: Source, *tables: Tables) -> Journaling:
    """Return those who have to do with a journal in a folder."""
    config = load(write_settings(folder, *tables), {}, settings_of)
    log: Log[Subscription] = Log(source.log)
    clock = SystemClock()
    return journaling(config, source, log, observer=RecordingObserver(), clock=clock, limits=limits_of(config))


def damaged(folder: Path) -> list[Path]:
    """Return the files that were moved aside."""
    return list(folder.glob("relayd.db.damaged-*"))


async def test_a_journal_that_is_open_keeps_nobody_from_being_ready(tmp_path: Path) -> None:
    """And is attached; before that it is not."""
    journal = made(tmp_path, FakeSource())
    assert 0 == journal.attached()
    await journal.mender.begin()
    assert (1, None) == (journal.attached(), journal.trouble_now())
    assert journal.past.journal is not None
    await journal.past.journal.close()


async def test_where_there_is_none_there_is_nothing_to_tell(tmp_path: Path) -> None:
    """No figure, no sentence."""
    journal = made(tmp_path, FakeSource(), RABBIT, {"journal": {"path": ""}})
    await journal.mender.begin()
    assert (None, None) == (journal.attached(), journal.trouble_now())


async def test_each_trouble_is_told(tmp_path: Path) -> None:
    """One that can't be written, one that can't be read, one that is not open."""
    journal = made(tmp_path, FakeSource())
    await journal.mender.begin()
    journal.keeper.fail(JournalError("the disk is full"))
    assert "the disk is full" in (journal.trouble_now() or "")
    assert 0 == journal.attached()
    await journal.keeper.catch_up()
    journal.trouble.over()
    assert (1, None) == (journal.attached(), journal.trouble_now())
    journal.past.close()
    assert 0 == journal.attached()
    journal.past.reopen()
    assert journal.past.journal is not None
    await journal.past.journal.close()


async def test_a_damaged_file_is_told_until_the_log_was_read_again(tmp_path: Path) -> None:
    """The new one is attached all the while; once the relay has caught up the past is as whole as it gets."""
    (tmp_path / "relayd.db").write_text("no database " * 1_000)
    source = FakeSource()
    source.caught_up = False
    journal = made(tmp_path, source)
    await journal.mender.begin()
    assert 1 == journal.attached()
    assert "was damaged" in (journal.trouble_now() or "")
    source.caught_up = True
    assert None is journal.trouble_now()
    source.caught_up = False
    assert None is journal.trouble_now()
    assert 1 == len(damaged(tmp_path))
    assert journal.past.journal is not None
    await journal.past.journal.close()
