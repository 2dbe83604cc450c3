"""
Everything breaks, in random order and at once, while events flow and viewers of every transport watch.

Nothing that a broker confirmed is lost, and nothing is told twice or out of order; nobody is told a gap either, for in
none of these faults is anything lost that could not be read again.
"""

from pathlib import Path

import pytest

from tests.faults.course import Course, Told
from tests.faults.scene import whole_scene
from tests.faults.strikes import EVERYTHING, KILLS, TWO_AT_ONCE
from tests.harness.rabbitmq import PrivateRabbit

RATE = 300


def judge(told: Told) -> None:
    """Print the figures, which `pytest -s` shows, and see that everything was whole."""
    print(told)  # noqa: T201  # see above
    assert {} == told.broken


async def test_a_short_course(own_rabbitmq: PrivateRabbit, tmp_path: Path, seed: int) -> None:
    """Each fault once."""
    async with whole_scene(own_rabbitmq, tmp_path, seed=seed, rate=RATE) as scene:
        told = await Course(scene, seed=seed).run(TWO_AT_ONCE, rest=0.5)
    judge(told)
    assert {name for lane in EVERYTHING.values() for name in lane} == set(told.strikes)


@pytest.mark.long
async def test_a_long_course(own_rabbitmq: PrivateRabbit, tmp_path: Path, seed: int, minutes: float) -> None:
    """As long as it was asked for, with some rest between."""
    async with whole_scene(own_rabbitmq, tmp_path, seed=seed, rate=RATE) as scene:
        told = await Course(scene, seed=seed).run(EVERYTHING, seconds=60 * minutes, rest=8)
    judge(told)


@pytest.mark.long
async def test_a_hundred_kills(own_rabbitmq: PrivateRabbit, tmp_path: Path, seed: int, kills: int) -> None:
    """A relay that is killed again and again, at any age, and each time goes on where its viewers are."""
    async with whole_scene(own_rabbitmq, tmp_path, seed=seed, rate=RATE) as scene:
        told = await Course(scene, seed=seed).run(KILLS, rounds=kills, rest=None)
    judge(told)
    assert kills == told.strikes.total()
