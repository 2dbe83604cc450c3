import asyncio

import pytest

from relayd.worker.threads import ThreadPublisher
from tests.worker.exchange import Queue, line


async def test_code_that_does_not_await_publishes_too(amqp_url: str, queue: Queue) -> None:
    """The same blocks and methods, which return when they are done; the end waits for the confirms."""

    def work() -> int:
        with ThreadPublisher(amqp_url) as swarm:
            with swarm.project("p", name="Shop") as project, project.agent("coder", task="orders") as agent:
                agent.working(50)
                assert "coder" == agent.name
                project.result(message="done")
            swarm.publish(line("plain"))
            swarm.flush(seconds=10)
            return swarm.lost

    assert 0 == await asyncio.to_thread(work)
    events: list[dict[str, str]] = []
    while len(events) < 6:
        (body,) = await queue.bodies(1)
        events += body if isinstance(body, list) else [body]
    kinds = ["project_started", *["agent_status_update"] * 3, "project_completed", "workflow_log"]
    assert kinds == [event["type"] for event in events]


def test_it_must_be_entered_first() -> None:
    """And says so."""
    with pytest.raises(RuntimeError, match="enter the publisher first"):
        ThreadPublisher().publish({})
