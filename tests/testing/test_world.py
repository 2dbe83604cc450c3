"""Fakes must behave as what they stand for, or what is tested with them is not true."""

import asyncio

import pytest

from relayd.protocol.disconnect import Disconnect
from relayd.testing.world import FakeClock, HandLoop, RecordingObserver, settle


def test_a_clock_stands_until_it_is_moved() -> None:
    """Both of its times move together."""
    clock = FakeClock(now=100.0, monotonic=5.0)
    assert (100.0, 5.0) == (clock.now(), clock.monotonic())
    clock.advance(2.5)
    assert (102.5, 7.5) == (clock.now(), clock.monotonic())


def test_hours_pass_at_once_and_in_order() -> None:
    """Timers fire in the order of their times, and the clock has moved that far."""
    loop = HandLoop()
    try:

        async def wait() -> list[str]:
            came: list[str] = []

            async def late(name: str, seconds: float) -> None:
                await asyncio.sleep(seconds)
                came.append(name)

            await asyncio.gather(late("second", 7_200), late("first", 3_600))
            return came

        began = loop.time()
        assert ["first", "second"] == loop.run_until_complete(wait())
        assert 7_200 == pytest.approx(loop.time() - began, abs=1)
    finally:
        loop.close()


def test_waiting_for_nothing_is_an_error() -> None:
    """Where a real loop would hang for ever, the test is told."""
    loop = HandLoop()
    try:
        with pytest.raises(RuntimeError, match="everybody waits"):
            loop.run_until_complete(loop.create_future())
    finally:
        loop.close()


async def test_settling_lets_everybody_go_on() -> None:
    """A chain of tasks runs to its end."""
    steps: list[int] = []

    async def chain(left: int) -> None:
        await asyncio.sleep(0)
        steps.append(left)
        if left:
            await asyncio.ensure_future(chain(left - 1))

    task = asyncio.ensure_future(chain(10))
    await settle()
    assert (list(range(10, -1, -1)), True) == (steps, task.done())


def test_an_observer_remembers_in_order() -> None:
    """Every verb of the port, with what was told."""
    observer = RecordingObserver()
    observer.ingested({"workflow_log": 1}, 10)
    observer.repeated(2)
    observer.flushed("fake", viewers=1, events=2, nbytes=3, oldest_age=0.5)
    observer.replayed("fake", events=4, nbytes=5)
    observer.admitted("fake", 0.1)
    observer.refused("fake", Disconnect.FORBIDDEN, "forbidden")
    observer.disconnected({"user": "ada"}, Disconnect.NORMAL)
    observer.gapped("lagged")
    observer.broke("recreated")
    observer.committed(events=1, seconds=0.2)
    observer.journal_failed(OSError("full"))
    observer.noticed("started", {"port": 1})
    assert "incident-1" == observer.failed("intake", ValueError())
    assert [2] == observer.of("repeated")
    verbs = "ingested repeated flushed replayed admitted refused disconnected gapped broke committed journal_failed"
    assert [*verbs.split(), "noticed", "failed"] == [verb for verb, _ in observer.told]
