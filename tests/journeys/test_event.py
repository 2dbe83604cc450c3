"""The way of one event, hop by hop, as docs/architecture.md tells it."""

import asyncio
import json

import aiohttp

from tests.harness.daemon import PrivateRelay
from tests.harness.viewer import log, watch

EVENT = log("shop", "Cart is ready", level="success", agent="coder")
PROGRESS = {"type": "project_progress", "project_id": "shop", "timestamp": 2.0, "progress": 65, "message": "Building"}


async def read(http: aiohttp.ClientSession, address: str) -> dict[str, object]:
    """Return the JSON of an answer."""
    async with http.get(address) as answer:
        assert answer.status == 200, await answer.text()
        found: dict[str, object] = await answer.json()
        return found


async def test_an_event_s_way(amqp_url: str) -> None:
    """From a worker through RabbitMQ to everybody who watches, once, in order; a restart changes nothing of it."""
    async with PrivateRelay(rabbitmq=amqp_url) as relay:
        bearer = {"Authorization": f"Bearer {relay.token()}"}
        async with (
            aiohttp.ClientSession(headers=bearer) as http,
            watch(relay, "shop") as modern,
            watch(relay, "shop", legacy=True) as legacy,
            http.get(relay.project("shop", "/stream")) as stream,
        ):
            # Everybody is told where they stand before anything happens.
            assert "none" == (await modern.frame())["replay"]
            assert "none" == (await legacy.frame())["replay"]
            first_poll = await read(http, relay.project("shop", "/events"))
            held_poll = asyncio.create_task(
                read(http, relay.project("shop", "/events", after=first_poll["cursor"], wait=30))
            )
            await asyncio.to_thread(relay.wait_for_metric, 'relayd_connections{transport="longpoll"}', 1)

            # 1 a worker publishes; 2, 3 intake reads a body of two events, the first of which says nothing at all
            await relay.publish([{"type": "workflow_log", "project_id": "shop"}, EVENT, PROGRESS], message_id="m-1")

            # 8, 9 one payload for each kind of viewer: an envelope, frames, a stream, an answer
            envelope = await modern.frame()
            event, progress = envelope["messages"]
            assert ("Cart is ready", "coder", 65) == (event["message"], event["agent"], progress["progress"])
            assert [event, progress] == [await legacy.frame(), await legacy.frame()]
            text = (await stream.content.readuntil(b'"progress":65')).decode()
            assert f"id: {event['id']}\ndata: {json.dumps(event, separators=(',', ':'))}\n\n" in text
            assert [event, progress] == (await held_poll)["messages"]

            # 5 a worker that is not sure sends it again: nobody sees it twice
            await relay.publish([{"type": "workflow_log", "project_id": "shop"}, EVENT, PROGRESS], message_id="m-1")
            await relay.publish(log("shop", "Next"), message_id="m-2")
            assert ["Next"] == await modern.lines(1)

            # 6 the state is folded; what can't be understood is counted, and stopped nobody
            status = await read(http, relay.project("shop", "/status"))
            assert (65, "Building") == (status["progress"], status["message"])
            assert relay.metric("relayd_messages_deduplicated_total") > 0
            assert relay.metric('relayd_messages_rejected_total{reason="bad_field"}') > 0

        # 7 the journal has it with its place: after a restart the same event stands at the same cursor
        await relay.restart_async()
        async with aiohttp.ClientSession(headers=bearer) as http, watch(relay, "shop", after=event["id"]) as viewer:
            lines = await read(http, relay.project("shop", "/logs"))
            assert [event["id"]] == [line["id"] for line in lines["logs"] if line["message"] == "Cart is ready"]  # type: ignore[attr-defined]  # a list
            # What could not be understood is kept there, too, to be looked at and published again.
            rejected = await read(http, f"{relay.admin_url}/rejected")
            assert ["bad_field"] == sorted({item["reason"] for item in rejected["rejected"]})  # type: ignore[attr-defined]  # as above
            # 10 who was away catches up from its own position, and is live again
            assert (await viewer.frame())["recovered"]
            assert progress == await viewer.hears("project_progress")
            assert ["Next"] == await viewer.lines(1)
            await relay.publish(log("shop", "Live"))
            assert ["Live"] == await viewer.lines(1)
