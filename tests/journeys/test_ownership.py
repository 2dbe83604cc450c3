"""Whose a project is: from its first start through memory and journal, and by another relay that reads the same."""

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest

from relayd.dialects.belonging import OWNER_HEADER, TEAM_HEADER
from relayd.rabbitmq.publish import Publisher
from relayd.rabbitmq.settings import RabbitSettings
from tests.harness.daemon import PrivateRelay
from tests.harness.inside import inside
from tests.harness.settled import Addresses, Event, signed
from tests.harness.viewer import log, watch

OURS = {"ada": 200, "of blue": 200, "eve": 403, "of red": 403}
"""What each is told of a project that is ada's and blue's."""


def started(project_id: str = "p", **fields: object) -> Event:
    """Return how a project begins."""
    return {"type": "project_started", "project_id": project_id, "timestamp": 1.0, **fields}


async def statuses(relay: Addresses, project_id: str = "p") -> dict[str, int]:
    """Return with which status each of those who ask for a project is answered."""
    tokens = {
        "ada": signed("ada", projects=()),
        "of blue": signed("bob", projects=(), teams=["blue"]),
        "eve": signed("eve", projects=()),
        "of red": signed("kim", projects=(), teams=["red"]),
    }
    found: dict[str, int] = {}
    async with aiohttp.ClientSession() as http:
        for name, token in tokens.items():
            headers = {"Authorization": f"Bearer {token}"}
            async with http.get(relay.project(project_id, "/status"), headers=headers) as answer:
                found[name] = answer.status
    return found


async def test_the_first_owner_stands(tmp_path: Path) -> None:
    """A later start with another changes nothing, now, after a restart, and for a project that was out of memory."""
    async with inside(tmp_path) as relay:
        await relay.publish(log("p", "before anybody was named"))
        assert {503} == set((await statuses(relay)).values())
        await relay.publish(started(owner="ada", team="blue"))
        assert OURS == await statuses(relay)
        await relay.publish(started(owner="eve", team="red"))
        assert OURS == await statuses(relay)
    async with inside(tmp_path) as relay:
        assert {} == relay.rooms.engine.log.projects
        assert OURS == await statuses(relay)
        await relay.publish(started(owner="eve", team="red"))
        assert OURS == await statuses(relay)
        await relay.publish(log("another", "the newest stays"))
        await relay.rooms.journaling.keeper.flush(everything=True)
        relay.rooms.engine.log.unload(projects=0)
        assert {"another"} == set(relay.rooms.engine.log.projects)
        # It comes back for this start, with the owner who stands.
        await relay.publish(started(owner="eve", team="red"))
        assert OURS == await statuses(relay)


@pytest.mark.parametrize("said", ["owner", "team"])
async def test_who_stands_alone_is_not_joined(tmp_path: Path, said: str) -> None:
    """An owner gets no team by a second start, and a team no owner."""
    async with inside(tmp_path) as relay:
        await relay.publish(started(**{said: {"owner": "ada", "team": "blue"}[said]}))
        await relay.publish(started(owner="eve", team="red"))
        mine = {"owner": "ada", "team": "of blue"}[said]
        assert {**dict.fromkeys(OURS, 403), mine: 200} == await statuses(relay)


async def test_owner_and_team_may_stand_in_headers(amqp: str, tmp_path: Path) -> None:
    """Of a message of RabbitMQ; a body that names somebody is believed first, and the first who stands stands."""
    async with PrivateRelay({"auth": {"recheck_seconds": 1}}, rabbitmq=amqp, folder=tmp_path) as relay:
        async with Publisher(RabbitSettings.model_validate({"url": amqp})) as publisher:

            async def says(event: Event, **headers: str) -> None:
                body = json.dumps(event).encode()
                named = {{"owner": OWNER_HEADER, "team": TEAM_HEADER}[name]: value for name, value in headers.items()}
                await publisher.publish(event["project_id"], event["type"], body, headers=named)

            await says(started("p"), owner="ada", team="blue")
            await says(started("q", owner="ada", team="blue"), owner="eve", team="red")
            await says(started("p"), owner="eve", team="red")
            await says(log("q", "the last"), owner="eve")
            async with watch(relay, "q") as viewer:
                assert ["the last"] == await viewer.lines(1)
        assert [OURS, OURS] == [await statuses(relay, project_id) for project_id in "pq"]
        await relay.restart_async()
        assert [OURS, OURS] == [await statuses(relay, project_id) for project_id in "pq"]
        async with watch(relay, "p", token=signed("ada", projects=())) as viewer:
            assert "ada" == (await viewer.hears("connection_established"))["snapshot"]["owner"]
            assert await asyncio.wait_for(viewer.hears("project_started"), 15)
