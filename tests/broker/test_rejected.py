"""Poison in the real stream: kept with its bytes, listed, shown, published again; and never in anybody's way."""

import asyncio
import json

import aiohttp
import pytest

from relayd.app.replay import REPLAY_OF
from relayd.dialects.detect import DIALECT_HEADER
from relayd.rabbitmq.publish import Publisher
from relayd.rabbitmq.settings import RabbitSettings
from tests.cli.commanding import Said, relayd
from tests.harness.daemon import PrivateRelay
from tests.harness.viewer import Viewer, log, watch

SECONDS = 15.0
TORN = b'{"type": "workflow_log", "project_id": "p", "mess'
STRANGE = json.dumps(log("p", "in a dialect that nobody speaks")).encode()


async def test_poison_is_kept_and_stops_nobody(amqp: str, capfd: pytest.CaptureFixture[str]) -> None:
    """What is published again and not understood again is a new one at a new place, which names the old."""
    async with PrivateRelay(rabbitmq=amqp) as relay, watch(relay, "p") as viewer:
        async with Publisher(RabbitSettings.model_validate({"url": amqp})) as publisher:
            await publisher.publish("p", "workflow_log", TORN, message_id="torn", headers={"x-from": "worker-7"})
            await heard(relay, viewer, "behind the torn one")
            await publisher.publish("p", "workflow_log", STRANGE, headers={DIALECT_HEADER: "shout"})
            mixed = b"[" + STRANGE + b', {"type": "no such type", "project_id": "p"}]'
            await publisher.publish("p", "workflow_log", mixed)
        assert ["in a dialect that nobody speaks"] == await viewer.lines(1)
        await heard(relay, viewer, "behind all of them")

        listed = await rows(relay, 3, capfd)
        assert ["unknown_type", "unknown_dialect", "not_json"] == [row.split()[2] for row in listed]
        assert "'shout' is not in use here; there is cloudevents, celery, agui, native" in listed[1]
        number = listed[2].split()[0]
        shown = await relayd("rejected", "show", number, "--admin", relay.admin_url, capsys=capfd)
        assert TORN == shown.out.encode()
        assert {"x-from": "worker-7"}.items() <= headers(shown).items()

        replayed = await relayd("rejected", "replay", number, "--admin", relay.admin_url, capsys=capfd)
        assert (0, f"replayed {number}\n") == (replayed.status, replayed.out)
        await heard(relay, viewer, "behind the one that was published again")
        newest, *before = await rows(relay, 4, capfd)
        assert "not_json" in newest
        assert [False, False, True] == ["(replayed " in row for row in before]
        again = await relayd("rejected", "show", newest.split()[0], "--admin", relay.admin_url, capsys=capfd)
        assert TORN == again.out.encode()
        async with aiohttp.ClientSession() as http, http.get(f"{relay.admin_url}/rejected/{number}") as answer:
            old = (await answer.json())["cursor"]
        assert {"x-from": "worker-7", REPLAY_OF: old}.items() <= headers(again).items()


async def rows(relay: PrivateRelay, count: int, capfd: pytest.CaptureFixture[str]) -> list[str]:
    """Return the list once it has so many rows: it is written behind what viewers are shown."""
    async with asyncio.timeout(SECONDS):
        while True:
            said = await relayd("rejected", "list", "--admin", relay.admin_url, capsys=capfd)
            if len(listed := said.out.splitlines()) >= count:
                return listed


def headers(said: Said) -> dict[str, object]:
    """Return the headers of an event that was shown."""
    (line,) = [line for line in said.err.splitlines() if line.startswith("headers: ")]
    found: dict[str, object] = json.loads(line.removeprefix("headers: "))
    return found


async def heard(relay: PrivateRelay, viewer: Viewer, text: str) -> None:
    """Publish a line and return when it was shown."""
    await relay.publish(log("p", text))
    assert [text] == await viewer.lines(1)
