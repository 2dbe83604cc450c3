import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from relayd.config import Config
from relayd.config.settings import Journal as JournalSettings
from relayd.doctor.journal import Journal, disk_of, file_of, folder_of, journal_at, use_of
from relayd.doctor.running import Running
from relayd.journal.inspection import Inspection
from relayd.journal.lock import Lock
from relayd.telemetry.scrape import Scrape

MIB = 1 << 20
SEEN = Inspection(
    format=2, newest_format=2, size=MIB, log="x", position=None, projects=3, events=70_000, last_received=None
)
HERE = Journal(path=Path("/somewhere/relayd.db"), inspection=SEEN)
RUNS = Running(url="u", scrape=Scrape(0.0, {}, {}))
AWAY = Running(url="u", trouble="away")


@pytest.mark.parametrize(("free", "mark"), [(15, "bad"), (16, "warn"), (98, "warn"), (99, "ok")])
def test_a_disk_has_room_for_what_may_come(free: int, mark: str) -> None:
    """A journal of one MiB that may have a hundred."""
    finding = disk_of(Config(journal=JournalSettings(path="x", max_mib=100)), HERE, free=free * MIB)
    assert mark == finding.mark
    assert f"{free} MiB free, the journal may grow by 99 MiB" == finding.found


@pytest.mark.parametrize(
    ("journal", "mark", "words"),
    [
        (HERE, "ok", "format 2, 1.0 MiB, 70,000 events of 3 projects"),
        (replace(HERE, inspection=replace(SEEN, last_received=940.0)), "ok", "the newest 60 s old"),
        (replace(HERE, inspection=replace(SEEN, format=1)), "warn", "this relayd writes format 2"),
        (replace(HERE, inspection=replace(SEEN, format=0)), "ok", "it is empty"),
        (replace(HERE, inspection=None), "ok", "there is none yet"),
        (
            replace(HERE, inspection=None, trouble="journal /somewhere/relayd.db: it is torn: move it away"),
            "bad",
            "it is torn",
        ),
    ],
)
def test_a_file_is_told_by_what_is_in_it(journal: Journal, mark: str, words: str) -> None:
    """The mend of a broken one is that of the relay itself."""
    finding = file_of(journal, now=1_000.0)
    assert mark == finding.mark
    assert words in finding.found
    assert (finding.mend == "move it away") is (mark == "bad")


@pytest.mark.parametrize(
    ("journal", "relay", "mark", "words"),
    [
        (HERE, AWAY, "ok", "no process uses it"),
        (HERE, RUNS, "bad", "though a relay answers"),
        (replace(HERE, holder=7, command="python -m relayd serve"), RUNS, "ok", "process 7 uses it, which is a relay"),
        (replace(HERE, holder=7, command="python -m relayd serve"), AWAY, "bad", "and no relay answers"),
        (replace(HERE, holder=7, command="sqlite3 x"), RUNS, "bad", "which is no relay (sqlite3 x)"),
        (replace(HERE, holder=0), RUNS, "ok", "a process of another namespace"),
        (replace(HERE, holder=0), AWAY, "bad", "not to be seen from here"),
    ],
)
def test_who_uses_it_is_told(journal: Journal, relay: Running, mark: str, words: str) -> None:
    """A relay may; anybody else keeps one from starting."""
    finding = use_of(journal, relay)
    assert mark == finding.mark
    assert words in finding.found


def test_a_folder_that_is_not_there_may_be_made(tmp_path: Path) -> None:
    """The relay makes it; one that is no folder it can't."""
    assert "ok" == folder_of(tmp_path / "relayd.db").mark
    assert "warn" == folder_of(tmp_path / "new" / "relayd.db").mark


def test_a_holder_is_seen_with_what_it_was_started_as(tmp_path: Path) -> None:
    """As `ps` shows it, cut before what may be long."""
    lock = Lock(tmp_path / "relayd.db.lock")
    seen = journal_at(tmp_path / "relayd.db")
    lock.release()
    assert (os.getpid(), None, "") == (seen.holder, seen.inspection, seen.trouble)
    assert "py" in seen.command
    (tmp_path / "relayd.db").write_text("x" * 9_000)
    assert "another name" in journal_at(tmp_path / "relayd.db").trouble
