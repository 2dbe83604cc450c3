import asyncio

import pytest

from relayd.telemetry.loop import LoopLag
from tests.telemetry.clock import HandClock


class Enough(Exception):
    """Ends a sampler that would go on for ever."""


async def test_lateness_is_what_exceeds_the_interval() -> None:
    """The clock says how long each sleep really was; being early is no lateness."""
    clock = HandClock()
    observed: list[float] = []

    def observe(seconds: float) -> None:
        observed.append(seconds)
        if len(observed) == 3:
            raise Enough

    sampler = LoopLag(clock, observe, interval=0.0)
    task = asyncio.create_task(sampler.run())
    for late in (0.5, 0.0, 1.25):
        # One turn for the sampler to fall asleep; what the clock does then is how long it slept.
        await asyncio.sleep(0)
        clock.time += late
    with pytest.raises(Enough):
        await task
    assert [0.5, 0.0, 1.25] == observed


async def test_a_block_shows_before_the_sample_is_taken() -> None:
    """Whoever asks while the loop is late is told how late it is already."""
    clock = HandClock()
    sampler = LoopLag(clock, lambda _: None, interval=60.0)
    task = asyncio.create_task(sampler.run())
    await asyncio.sleep(0)
    assert sampler.lag() == 0
    clock.time += 67.0
    assert sampler.lag() == 7.0
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sampler.lag() == 0


def test_a_sampler_that_does_not_run_tells_no_lag() -> None:
    """Before it was started nothing is late."""
    assert LoopLag(HandClock(), lambda _: None).lag() == 0
