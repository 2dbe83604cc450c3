import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable

import pytest

from relayd.app.supervision import heed_memory, supervise
from relayd.telemetry.health import Health
from relayd.testing.world import FakeClock, HandLoop, RecordingObserver


class Ward:
    """A task that fails as often as it is told, on a loop whose hours pass at once."""

    def __init__(self) -> None:
        self.observer = RecordingObserver()
        self.health = Health(FakeClock(), lag=lambda: 0.0)
        self.begun: list[float] = []

    def run(self, *, fails: int, lasting: float = 0.0) -> list[float]:
        """Run until it returns, and return the pauses before it was begun again."""

        async def begin() -> None:
            self.begun.append(asyncio.get_running_loop().time())
            await asyncio.sleep(lasting)
            if len(self.begun) <= fails:
                raise OSError(f"failure {len(self.begun)}")

        self.supervised(begin)
        return [round(later - earlier - lasting, 2) for earlier, later in zip(self.begun, self.begun[1:], strict=False)]

    def supervised(self, begin: Callable[[], Awaitable[None]]) -> None:
        """Run until it returns."""
        with asyncio.Runner(loop_factory=HandLoop) as runner:
            runner.run(supervise("work", begin, observer=self.observer, health=self.health))


def test_a_task_that_returns_is_left_alone() -> None:
    """It has done what it was for."""
    ward = Ward()
    assert [] == ward.run(fails=0)
    assert [] == ward.observer.told


def test_a_task_that_fails_begins_again_ever_later() -> None:
    """Each failure is told with its name and counted; the pauses grow to ten seconds."""
    ward = Ward()
    assert [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0] == ward.run(fails=8)
    assert ["work"] * 8 == [what for what, _ in ward.observer.of("failed")]
    assert {"work": 8} == ward.health.live()[1]["task_restarts"]


def test_one_that_ran_well_begins_again_at_once() -> None:
    """Its failure is news, not a habit."""
    assert [0.1, 0.1, 0.1] == Ward().run(fails=3, lasting=60.0)


def test_five_failures_in_a_minute_make_the_relay_not_ready() -> None:
    """It restarts its parts and gets nowhere; the sentence names the part."""
    ward = Ward()
    ward.run(fails=4)
    assert ward.health.ready()[0]
    ward.run(fails=9)
    ready, reasons = ward.health.ready()
    assert (False, True) == (ready, "in: work;" in reasons["tasks"])


def test_being_cancelled_ends_it() -> None:
    """A relay that stops must not have its parts begin again."""
    ward = Ward()

    async def cancel() -> None:
        task = asyncio.create_task(supervise("work", asyncio.Event().wait, observer=ward.observer, health=ward.health))  # type: ignore[arg-type]  # what it returns is nobody's business
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with asyncio.Runner(loop_factory=HandLoop) as runner:
        runner.run(cancel())
    assert [] == ward.observer.told


async def test_memory_that_is_short_in_a_callback_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """There is no net around it; what else breaks there is the loop's to log, as ever."""
    observer = RecordingObserver()
    loop = asyncio.get_running_loop()
    heed_memory(loop, observer)

    def fail(error: Exception) -> None:
        raise error

    loop.call_soon(fail, ValueError("boom"))
    loop.call_soon(fail, MemoryError())
    await asyncio.sleep(0.01)
    assert [("loop", "MemoryError()")] == [(what, repr(error)) for what, error in observer.of("failed")]
    logged = [line.exc_info[1] for line in caplog.records if line.exc_info]
    assert ["ValueError('boom')", "MemoryError()"] == [repr(error) for error in logged]


def test_giving_up_leaves_nothing_to_be_done() -> None:
    """No net catches it and nothing is written behind it: what was half done must not be kept."""
    program = """
from relayd.app.supervision import give_up
try:
    give_up()
finally:
    print("written")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (70, "", "") == (done.returncode, done.stdout, done.stderr)
