"""A clock, a loop and an observer that do what a test says."""

import asyncio
import socket

import pytest

from relayd.ports import Observer, Rejected
from relayd.protocol.cursor import Place
from relayd.protocol.disconnect import Disconnect
from relayd.testing.world import FakeClock, HandLoop, RecordingObserver, settle


def test_a_clock_stands_still_until_it_is_moved() -> None:
    """Both times move together."""
    clock = FakeClock(now=100.0, monotonic=5.0)
    clock.advance(2.5)
    assert (102.5, 7.5) == (clock.now(), clock.monotonic())


def test_an_hour_passes_at_once_and_in_order() -> None:
    """Timers come when they are due, however long that is."""
    loop = HandLoop()

    async def wait() -> list[str]:
        heard: list[str] = []
        loop.call_later(3_600, heard.append, "late")
        loop.call_later(60, heard.append, "soon")
        began = loop.time()
        await asyncio.sleep(7_200)
        assert 7_200 == pytest.approx(loop.time() - began, abs=0.01)
        return heard

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        assert ["soon", "late"] == runner.run(wait())


def test_no_time_passes_while_somebody_is_busy() -> None:
    """Settling gives turns and no time."""
    loop = HandLoop()

    async def turn() -> float:
        began = loop.time()
        await settle(1_000)
        return loop.time() - began

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        assert 0 == runner.run(turn())


def test_a_wait_for_nothing_fails_instead_of_hanging() -> None:
    """Nobody would ever end it."""

    async def hang() -> None:
        await asyncio.get_running_loop().create_future()

    with asyncio.Runner(loop_factory=HandLoop) as runner:
        with pytest.raises(RuntimeError, match="nobody will do"):
            runner.run(hang())
        # What was waited for is still there, and ends with a turn of its own.
        for task in asyncio.all_tasks(runner.get_loop()):
            task.cancel()
        runner.get_loop().run_until_complete(asyncio.sleep(0))


def test_sockets_are_ready_as_ever() -> None:
    """What comes in by one is heard before any time passes."""
    loop = HandLoop()

    async def hear() -> bytes:
        near, far = socket.socketpair()
        near.setblocking(False)
        with near, far:
            far.send(b"a")
            async with asyncio.timeout(3_600):
                return await loop.sock_recv(near, 1)

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        assert b"a" == runner.run(hear())
        assert loop.time() < 1_001


def test_an_observer_remembers_everything_in_order() -> None:
    """Each verb of the port, with what it was told."""
    recording = RecordingObserver()
    observer: Observer = recording
    rejected = Rejected(
        cursor="c", place=Place(0, 0), reason="not_json", detail="", headers={}, body=b"", received_at=1.0
    )
    error = ValueError("no")
    observer.ingested({"workflow_log": 1}, 10)
    observer.repeated(2)
    observer.rejected(rejected)
    observer.flushed("fake", viewers=1, events=2, nbytes=3, oldest_age=0.5)
    observer.replayed("fake", events=2, nbytes=3)
    observer.fell_behind("fake")
    observer.admitted("fake", 0.5)
    observer.refused("fake", Disconnect.FORBIDDEN, "forbidden")
    observer.disconnected({"user": "ada"}, Disconnect.NORMAL)
    observer.rights_asked("granted", 0.5)
    observer.withdrawn("fake", Disconnect.FORBIDDEN)
    observer.gapped("lagged")
    observer.broke("truncated")
    observer.committed(events=1, seconds=0.1)
    observer.journal_failed(error)
    observer.crossed("cost_80", {"a": 1})
    observer.noticed("started", {"a": 1})
    assert "incident-1" == observer.failed("intake", error)
    assert [
        ("ingested", ({"workflow_log": 1}, 10)),
        ("repeated", 2),
        ("rejected", rejected),
        ("flushed", ("fake", 1, 2, 3, 0.5)),
        ("replayed", ("fake", 2, 3)),
        ("fell_behind", "fake"),
        ("admitted", ("fake", 0.5)),
        ("refused", ("fake", Disconnect.FORBIDDEN, "forbidden")),
        ("disconnected", ({"user": "ada"}, Disconnect.NORMAL)),
        ("rights_asked", ("granted", 0.5)),
        ("withdrawn", ("fake", Disconnect.FORBIDDEN)),
        ("gapped", "lagged"),
        ("broke", "truncated"),
        ("committed", (1, 0.1)),
        ("journal_failed", error),
        ("crossed", ("cost_80", {"a": 1})),
        ("noticed", ("started", {"a": 1})),
        ("failed", ("intake", error)),
    ] == recording.told
    assert [2] == recording.of("repeated")
