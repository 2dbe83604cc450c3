"""A log that is deleted and made anew while a cursor of it is being looked up."""

from relayd.core.floor import Verdict
from relayd.core.log import Log
from relayd.relay.past import Past
from relayd.relay.subscription import Subscription, WatchedLog
from relayd.relay.trouble import Trouble
from relayd.testing.journal import FakeJournal
from relayd.testing.world import FakeClock, RecordingObserver
from tests.core.words import NAME, NOW, at, line, mark, said


def grow(log: WatchedLog, *offsets: int) -> None:
    """Add a body of one line at each offset."""
    staging = log.stage()
    for offset in offsets:
        staging.add(offset, mark(offset, log.epoch), NOW, [said(line())])
    log.apply(staging)


class LateJournal(FakeJournal):
    """Answers what it knew, when the log is already another one."""

    log: WatchedLog

    async def fingerprint(self, epoch: int, offset: int) -> bytes | None:
        if self.log.epoch == 0:
            self.log.break_("recreated")
            grow(self.log, *range(5))
        return mark(offset, epoch)


def past_of(log: WatchedLog, journal: LateJournal) -> Past:
    """Return the past of a log."""
    observer = RecordingObserver()
    trouble = Trouble(observer, FakeClock())
    return Past(log, journal, trouble=trouble, observer=observer, newest=10, patience=60)


async def test_what_stood_in_the_old_log_proves_nothing_for_the_new_one() -> None:
    """Else a viewer would be told that it missed nothing, and be served the middle of another log."""
    log: Log[Subscription] = Log(NAME, window=1)
    journal = LateJournal()
    journal.log = log
    past = past_of(log, journal)
    grow(log, 1, 2, 3)
    assert Verdict("gap", "unknown_event") == await past.judge("shop", str(at(1)))


async def test_what_stands_in_the_log_is_proof() -> None:
    """The journal's answer counts as long as the log is the same."""
    log: Log[Subscription] = Log(NAME, window=1)
    journal = LateJournal()
    journal.log = log
    past = past_of(log, journal)
    log.break_("recreated")
    grow(log, 1, 2, 3)
    assert Verdict("whole", place=at(1).place(1)) == await past.judge("shop", str(at(1, epoch=1)))
