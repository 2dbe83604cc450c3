"""There is no broker when the relay starts: it says what is missing, and goes on trying."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import aiohttp
import pytest

from tests.harness.daemon import PrivateRelay
from tests.harness.follower import until
from tests.harness.manager import Manager
from tests.harness.process import free_port
from tests.harness.proxy import Proxy
from tests.harness.viewer import watch

ATTEMPTS = 4
"""With pauses between that double from a tenth of a second on."""


async def reasons(relay: PrivateRelay) -> tuple[int, str]:
    """Return the status of `/readyz` and what it says of the source."""
    async with aiohttp.ClientSession() as http, http.get(f"{relay.admin_url}/readyz") as answer:
        return answer.status, (await answer.json())["reasons"].get("source", "")


@asynccontextmanager
async def started(relay: PrivateRelay) -> AsyncGenerator[PrivateRelay]:
    """Give a relay that answers, ready or not."""
    with closing(relay):
        await relay.start_async(ready=False)
        # The operators' listener is there first.
        await asyncio.to_thread(relay.wait_for_line, "started")
        yield relay


async def test_a_relay_without_a_broker_lives_and_says_what_is_missing() -> None:
    """Alive, not ready, open to viewers; it calls again and again, and ends as asked in the middle of it."""
    async with Proxy(free_port()) as proxy:
        proxy.refusing = True
        async with (
            started(PrivateRelay(rabbitmq=f"amqp://guest:secret@127.0.0.1:{proxy.port}/")) as relay,
            watch(relay, "p") as viewer,
        ):
            await viewer.frame()
            await until(lambda: proxy.refused >= ATTEMPTS)
            status, sentence = await reasons(relay)
            assert 503 == status
            assert f"RabbitMQ at 127.0.0.1:{proxy.port}: " in sentence
            assert (200, 0) == (relay.probe("/livez"), relay.metric("relayd_broker_connected"))
            assert [] == [line for line in relay.lines if line["event"] in {"incident_happened", "connection_ended"}]
            assert "secret" not in relay.log + sentence
            assert 0 == await relay.stop_async()
            assert 1012 == (await viewer.ending())[0]


@pytest.mark.long
async def test_the_manager_is_told_ready_all_the_same(tmp_path: Path) -> None:
    """After half a minute: a broker that is away at boot must not become a loop of restarts."""
    with Manager(tmp_path) as manager:
        async with started(PrivateRelay(rabbitmq=f"amqp://127.0.0.1:{free_port()}/", env=manager.env)) as relay:
            told = await asyncio.to_thread(manager.until, "READY=1")
            assert told.startswith("READY=1\nSTATUS=serving history: RabbitMQ at 127.0.0.1:")
            assert (503, 200) == (relay.probe("/readyz"), relay.probe("/livez"))
