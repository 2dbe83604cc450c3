"""Three nodes of RabbitMQ on this machine that are one broker: what is confirmed is on two of them."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from tests.harness.process import Whole
from tests.harness.rabbitmq import PrivateRabbit

__all__ = ["PrivateCluster"]

NODES = 3


class PrivateCluster(Whole):
    """A cluster; each of its nodes can be killed and started again."""

    def __init__(self) -> None:
        """Choose ports and make folders; raises RuntimeError with the mend when RabbitMQ is not installed."""
        first = PrivateRabbit()
        self.nodes = [first, *(PrivateRabbit(beside=first) for _ in range(NODES - 1))]

    async def __aenter__(self) -> Self:
        """Start it while the event loop goes on."""
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(self, *_: object) -> None:
        """End it while the event loop goes on."""
        await asyncio.to_thread(self.close)

    def start(self) -> None:
        """Start the nodes and join them."""
        first, *others = self.nodes
        # The first brings the epmd of all along.
        first.start()
        with ThreadPoolExecutor() as threads:
            list(threads.map(PrivateRabbit.start, others))
        for node in others:
            node.ctl("stop_app")
            node.ctl("join_cluster", first.node)
            node.ctl("start_app")

    def close(self) -> None:
        """End all of it; the first node's epmd goes last."""
        for node in reversed(self.nodes):
            node.close()

    def leader(self, queue: str) -> PrivateRabbit:
        """Return the node that leads a stream's replicas, asked of any that is alive."""
        asked = next(node for node in self.nodes if node.alive)
        for line in asked.ctl("list_queues", "name", "leader", "--no-table-headers").splitlines():
            name, leader = line.split()
            if name == queue:
                return next(node for node in self.nodes if node.node == leader)
        raise RuntimeError(f"no node knows {queue}")
