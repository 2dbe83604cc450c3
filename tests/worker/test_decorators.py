import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from relayd.worker.decorators import agent, stage
from relayd.worker.publisher import SwarmPublisher
from relayd.worker.scopes import ProjectScope
from relayd.worker.threads import ThreadPublisher
from tests.worker.exchange import Queue
from tests.worker.said import Said


@stage("testing")
async def verify(answer: int, *, more: int = 0) -> int:
    """Run the tests."""
    await asyncio.sleep(0)
    return answer + more


@agent(task="orders")
async def coder() -> None:
    """Write code."""
    raise ValueError("no more tokens")


@stage()
def build(answer: int) -> int:
    """Build it."""
    return answer


@agent("packer")
def pack() -> None:
    """Pack it."""
    raise OSError("disk full")


async def test_a_function_is_a_stage_of_the_project_around_it() -> None:
    """Awaited or not, by a name that is given or its own; what it takes, returns and is called stays as it was."""
    said = Said()
    async with ProjectScope(said, "p", {}):
        assert [7, 3] == [await verify(5, more=2), build(3)]
    assert [
        ("workflow_stage_update", "testing", "running", "running"),
        ("workflow_stage_update", "testing", "completed", "completed"),
        ("workflow_stage_update", "build", "running", "running"),
        ("workflow_stage_update", "build", "completed", "completed"),
    ] == said.short()[1:-1]
    assert ["verify", "Build it."] == [verify.__name__, build.__doc__]


async def test_who_raises_has_failed_and_the_exception_goes_on() -> None:
    """With the error's text."""
    said = Said()
    async with ProjectScope(said, "p", {}):
        with pytest.raises(ValueError, match="no more tokens"):
            await coder()
        with pytest.raises(OSError, match="disk full"):
            pack()
    assert [
        ("agent_status_update", "coder", "working", "0.0", "orders"),
        ("workflow_log", "coder", "error", "ValueError: no more tokens"),
        ("agent_status_update", "coder", "failed", "0.0", "orders"),
        ("agent_status_update", "packer", "working", "0.0"),
        ("workflow_log", "packer", "error", "OSError: disk full"),
        ("agent_status_update", "packer", "failed", "0.0"),
    ] == said.short()[1:-1]


async def test_outside_of_a_project_it_is_called_as_it_is() -> None:
    """So it can be tested by itself."""
    assert [5, 3] == [await verify(5), build(3)]
    with pytest.raises(ValueError, match="no more tokens"):
        await coder()


def generator() -> Iterator[int]:
    """Yield."""
    yield 1


async def asynchronous() -> AsyncIterator[int]:
    """Yield."""
    yield 1


@pytest.mark.parametrize(
    ("decorate", "mend"),
    [
        (lambda: stage()(generator), "generator is a generator; use a block"),
        (lambda: agent()(asynchronous), "asynchronous is a generator; use a block"),
        (lambda: stage(generator), r"write @stage\(\) or"),  # type: ignore[arg-type]
        (lambda: agent(generator), r"write @agent\(\) or"),  # type: ignore[arg-type]
    ],
)
def test_what_can_t_be_decorated_is_told_at_once(decorate: Callable[[], Any], mend: str) -> None:
    """Not at the first call, by a stage that has ended before it began."""
    with pytest.raises(TypeError, match=mend):
        decorate()


STORY = ["project_started", *["workflow_stage_update"] * 6, "project_completed"]


async def stages(queue: Queue) -> list[tuple[str, str]]:
    """Return stages with their status, out of a whole project."""
    events: list[dict[str, str]] = []
    while len(events) < len(STORY):
        (body,) = await queue.bodies(1)
        events += body if isinstance(body, list) else [body]
    assert STORY == [event["type"] for event in events]
    return [(event["stage"], event["status"]) for event in events[1:-1]]


async def test_what_is_said_from_the_loop_and_from_threads_is_in_order(amqp_url: str, queue: Queue) -> None:
    """In the order in which it happened."""
    async with SwarmPublisher(amqp_url) as swarm, swarm.project("p"):
        build(1)
        await verify(1)
        await asyncio.to_thread(build, 1)
    assert [
        (name, status) for name in ("build", "testing", "build") for status in ("running", "completed")
    ] == await stages(queue)


async def test_a_project_without_await_is_around_both_kinds(amqp_url: str, queue: Queue) -> None:
    """Of an event loop that is not the publisher's, too."""

    def work() -> None:
        with ThreadPublisher(amqp_url, buffer=1) as swarm, swarm.project("p"):
            build(1)
            asyncio.run(verify(1))
            build(1)
            assert 0 == swarm.lost

    await asyncio.to_thread(work)
    assert [
        (name, status) for name in ("build", "testing", "build") for status in ("running", "completed")
    ] == await stages(queue)
