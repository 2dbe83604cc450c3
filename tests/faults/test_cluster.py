"""Nodes of a cluster of three are killed while events flow: nothing that was confirmed is lost, nothing told twice."""

import asyncio
from pathlib import Path

import pytest

from relayd.rabbitmq.settings import RabbitSettings
from tests.faults.course import Course
from tests.faults.scene import NIMBLE, whole_scene
from tests.harness.cluster import PrivateCluster
from tests.harness.follower import until
from tests.harness.rabbitmq import PrivateRabbit
from tests.harness.settled import Tables, merged

RATE = 200
QUEUE = RabbitSettings().queue

WATCHFUL: Tables = merged(NIMBLE, {"sources.rabbitmq": {"canary_seconds": 0.5, "stalled_seconds": 3.0}})
"""A relay that sends a canary twice a second, and misses it soon."""


class Stage:
    """A scene with three brokers that are one; its wires lead to any of them, as through a balancer of load."""

    def __init__(self, cluster: PrivateCluster, course: Course) -> None:
        self.cluster = cluster
        self.course = course
        self.scene = course.scene

    async def cast(self) -> tuple[PrivateRabbit, PrivateRabbit, PrivateRabbit]:
        """Return the leader and the followers, once all three play."""
        leader = await asyncio.to_thread(self.cluster.leader, QUEUE)
        first, second = (node for node in self.cluster.nodes if node is not leader)
        return leader, first, second

    async def read_from(self, node: PrivateRabbit) -> None:
        """Let the relay read from a node, and return when it does."""
        self.scene.to_broker.target = node.port
        self.scene.to_broker.cut()
        await self.course.flow(RATE)

    async def write_to(self, node: PrivateRabbit) -> None:
        """Let the swarm publish to a node, and return when it does."""
        self.scene.from_swarm.target = node.port
        self.scene.from_swarm.cut()
        await self.course.flow(RATE)


@pytest.mark.long
async def test_nodes_are_killed(tmp_path: Path, seed: int) -> None:
    """The leader beside the relay and under it, a follower, and then two of three, without whom nobody confirms."""
    async with (
        PrivateCluster() as cluster,
        whole_scene(cluster.nodes[0], tmp_path, seed=seed, rate=RATE, tables=WATCHFUL) as scene,
    ):
        course = Course(scene, seed=seed)
        stage = Stage(cluster, course)
        async with course.watched():
            leader, first, second = await stage.cast()
            await stage.read_from(first)
            await stage.write_to(second)
            with course.noted("leader killed, relay and swarm at followers"):
                await leader.kill_async()
                await course.flow(RATE)
            await leader.start_async()

            leader, first, second = await stage.cast()
            await stage.write_to(first)
            await stage.read_from(leader)
            with course.noted("leader killed, relay at it"):
                await leader.kill_async()
                scene.to_broker.target = second.port
                await course.flow(RATE)
            await leader.start_async()

            leader, first, second = await stage.cast()
            await stage.read_from(first)
            await stage.write_to(first)
            with course.noted("follower killed"):
                await second.kill_async()
                await course.flow(RATE)
            await second.start_async()

            leader, first, second = await stage.cast()
            with course.noted("two of three killed"):
                await asyncio.gather(leader.kill_async(), second.kill_async())
                confirmed = scene.publishing.confirmed
                # From a quiet night it is told by the canary alone.
                await until(lambda: "the stream has no quorum" in scene.relay.readiness()[1])
                assert (200, confirmed) == (scene.relay.readiness()[0], scene.publishing.confirmed)
                await asyncio.gather(leader.start_async(), second.start_async())
                await course.flow(RATE)
            await until(lambda: scene.relay.readiness() == (200, ""))
        told = await course.judge()
    print(told)  # noqa: T201  # `pytest -s` shows it
    assert {} == told.broken
