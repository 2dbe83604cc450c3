"""A script that can be watched; `AMQP_URL` says where the broker is, the first argument which project it is."""

import asyncio
import os
import sys

from relayd.worker.decorators import stage
from relayd.worker.publisher import SwarmPublisher


@stage("testing")
async def run_tests() -> None:
    """Run the tests, whatever that takes."""
    await asyncio.sleep(0.1)


async def main(url: str, project_id: str) -> None:
    """Build a shop."""
    async with SwarmPublisher(url) as swarm, swarm.project(project_id, name="Shop", owner="ada") as project:
        async with project.agent("coder", task="orders") as agent:
            await agent.using_tool("pytest")
            await run_tests()
        await project.progress(90, "Deploying…")
        project.result(url="https://shop.example")


if __name__ == "__main__":
    asyncio.run(main(os.environ.get("AMQP_URL", "amqp://guest:guest@127.0.0.1/"), sys.argv[1]))
