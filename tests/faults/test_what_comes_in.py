"""Whatever a producer sends through the real broker costs the next event nothing: neither a place nor its order."""

import asyncio
import json
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random

import aiohttp
import pytest
from pamqp import commands

from relayd.rabbitmq.publish import Publisher
from relayd.rabbitmq.settings import RabbitSettings
from tests.dialects.poison import GOOD, ONE_EVENT, SEVERAL
from tests.harness.audience import TRANSPORTS, Audience
from tests.harness.checker import check
from tests.harness.daemon import PrivateRelay
from tests.harness.forged import publish_forged
from tests.harness.memory import MEBIBYTE, forget_peak, memory
from tests.harness.viewer import log, watch

REASONS = (
    "not_json", "not_an_object", "unknown_type", "bad_project", "bad_field", "event_too_large", "body_too_large",
)  # fmt: skip
KEPT = 64 * 1024
"""Bytes that are kept of a rejected event."""

MUTANTS = 300

Properties = commands.Basic.Properties
NO_TEXT = {b"FORGED": b"\xff\xfe\xfd\xfc\xfb\xfa"}
DEEP = 20_000


@pytest.fixture(scope="module")
def relay(amqp_url: str) -> Iterator[PrivateRelay]:
    """Give a relay that all tests of this module feed, each with projects of its own."""
    with PrivateRelay(rabbitmq=amqp_url) as relay:
        yield relay


def nested() -> dict[bytes, bytes]:
    """Return what makes a header's text an array in an array in an array, as deep as a frame can hold."""
    size = 5 * DEEP
    inner = b"".join(b"A" + struct.pack(">I", size - 5 * depth) for depth in range(1, DEEP + 1))
    return {b"S" + struct.pack(">I", size) + b"F" * size: b"A" + struct.pack(">I", size) + inner}


BROKEN: dict[str, tuple[Properties, dict[bytes, bytes]]] = {
    "message id": (Properties(message_id="FORGED"), NO_TEXT),
    "content type": (Properties(content_type="FORGED"), NO_TEXT),
    "content encoding": (Properties(content_encoding="FORGED"), NO_TEXT),
    "correlation id": (Properties(correlation_id="FORGED"), NO_TEXT),
    "reply to": (Properties(reply_to="FORGED"), NO_TEXT),
    "type": (Properties(message_type="FORGED"), NO_TEXT),
    "app id": (Properties(app_id="FORGED"), NO_TEXT),
    "name of a header": (Properties(headers={"FORGED": 1}), NO_TEXT),
    "text of a header": (Properties(headers={"a": "FORGED"}), NO_TEXT),
    "depth of a header": (Properties(headers={"a": "F" * 5 * DEEP}), nested()),
    "headers of all kinds": (
        Properties(
            headers={
                "a": [1, {"b": [None]}],
                "c": datetime.now(UTC),
                "d": 2**62,
                "e": 0.5,
                "f": None,
            }
        ),
        {},
    ),
    "a forged offset": (Properties(headers={"x-stream-offset": 7}), {}),
    "a time beyond all calendars": (
        Properties(timestamp=datetime.fromtimestamp(0x46474849, UTC)),
        {struct.pack(">Q", 0x46474849): b"\xff" * 8},
    ),
    "priority and mode": (Properties(priority=255, delivery_mode=2), {}),
}
"""What no honest library would send: properties, and bytes that take the place of honest ones."""


async def rejected(relay: PrivateRelay) -> float:
    """Return how many events were rejected, whatever the reason."""
    return sum([relay.metric(f'relayd_messages_rejected_total{{reason="{reason}"}}') for reason in REASONS])


async def test_every_poison_through_the_real_broker(relay: PrivateRelay) -> None:
    """Each is rejected, as many as they are, and kept; what is good between and behind them is shown in order."""
    bodies = [*ONE_EVENT.values(), *(body for _, body in SEVERAL.values())]
    good = sum(body.count(GOOD) for _, body in SEVERAL.values())
    bad = len(ONE_EVENT) + sum(count for count, _ in SEVERAL.values()) - good
    before = await rejected(relay)
    async with watch(relay, "good") as viewer, watch(relay, "shop") as shop:
        async with publisher(relay) as publish:
            for number, body in enumerate(bodies):
                await publish.publish("shop", "poison", body, message_id=f"poison {number}")
                await publish.publish("good", "workflow_log", json.dumps(log("good", str(number))).encode())
        assert [str(number) for number in range(len(bodies))] == await viewer.lines(len(bodies))
        for _ in range(good):
            await shop.hears("project_progress")
    assert bad == await rejected(relay) - before
    assert 0 == relay.metric('relayd_messages_rejected_total{reason="mapping_failed"}')
    assert relay.readiness() == (200, "")


async def test_mutants(relay: PrivateRelay, seed: int) -> None:
    """Good events with bytes flipped, cut out, doubled or moved: understood or rejected, and then comes the next."""
    random = Random(seed)
    pid = relay.process.pid
    async with watch(relay, "behind") as viewer, publisher(relay) as publish:
        for number in range(MUTANTS):
            await publish.publish("shop", "mutant", mutant(random))
            if number % 10 == 9:
                await publish.publish("behind", "workflow_log", json.dumps(log("behind", str(number))).encode())
        assert [str(number) for number in range(9, MUTANTS, 10)] == await viewer.lines(MUTANTS // 10)
    assert 0 == relay.metric('relayd_messages_rejected_total{reason="mapping_failed"}')
    assert 0 == relay.metric("relayd_failures_total")
    assert pid == relay.process.pid


def mutant(random: Random) -> bytes:
    """Return a body that was good once."""
    body = bytearray(random.choice([GOOD, b"[" + GOOD + b"," + GOOD + b"]", GOOD + b"\n" + GOOD]))
    for _ in range(random.randint(1, 4)):
        at, other = sorted(random.sample(range(len(body)), 2))
        match random.randrange(4):
            case 0:
                body[at] = random.randrange(256)
            case 1:
                del body[at:other]
            case 2:
                body[at:at] = body[at:other]
            case _:
                body[at:other] = reversed(body[at:other])
        if len(body) < 2:
            break
    return bytes(body)


@pytest.mark.parametrize("what", BROKEN)
async def test_properties_that_are_broken(relay: PrivateRelay, what: str) -> None:
    """The event is in the body: it is shown whatever stands on its envelope, and so is the next one."""
    project_id = what.replace(" ", "-")
    properties, forged = BROKEN[what]
    url = str(relay.rabbitmq)
    async with watch(relay, project_id) as viewer:
        body = json.dumps(log(project_id, "broken")).encode()
        await publish_forged(url, body, key=RabbitSettings().queue, properties=properties, forged=forged)
        await relay.publish(log(project_id, "next"))
        assert ["broken", "next"] == await viewer.lines(2)


@pytest.mark.parametrize(("mebibytes", "reason"), [(10, "event_too_large"), (127, "body_too_large")])
async def test_an_enormous_message(relay: PrivateRelay, mebibytes: int, reason: str) -> None:
    """Rejected, its beginning kept; memory grows by what it takes to read it, and the next event is shown."""
    project_id = f"enormous-{mebibytes}"
    said = json.dumps(log(project_id, "")).encode()
    body = said.replace(b'""', b'"' + b"x" * (mebibytes * MEBIBYTE) + b'"')
    before = relay.metric(f'relayd_messages_rejected_total{{reason="{reason}"}}')
    idle = memory(relay.process.pid, "VmRSS")
    forget_peak(relay.process.pid)
    async with watch(relay, project_id) as viewer, publisher(relay) as publish:
        await publish.publish(project_id, "workflow_log", body)
        await publish.publish(project_id, "workflow_log", json.dumps(log(project_id, "next")).encode())
        assert ["next"] == await viewer.lines(1)
    assert 1 == relay.metric(f'relayd_messages_rejected_total{{reason="{reason}"}}') - before
    peak = memory(relay.process.pid, "VmHWM") - idle
    print(f"{mebibytes} MiB took {peak / MEBIBYTE:.0f} MiB for a moment")  # noqa: T201  # `pytest -s` shows it
    assert peak < 3 * mebibytes * MEBIBYTE
    assert (True, KEPT) == await kept_of(relay, reason)


async def kept_of(relay: PrivateRelay, reason: str) -> tuple[bool, int]:
    """Return whether the newest event rejected for that reason was cut, and how many bytes of it were kept."""
    async with aiohttp.ClientSession() as http, asyncio.timeout(15):
        while True:
            # It is written behind what viewers are shown.
            async with http.get(f"{relay.admin_url}/rejected") as answer:
                for row in (await answer.json())["rejected"]:
                    if row["reason"] == reason:
                        return row["truncated"], row["bytes"]
            await asyncio.sleep(0.05)


async def test_what_is_published_again_is_shown_once(relay: PrivateRelay) -> None:
    """Under the same id, a moment later, behind a relay that was killed at once, and behind one that was restarted."""
    ids = ["one", "two", "three"]

    async def say(*names: str) -> None:
        async with publisher(relay) as publish:
            for name in names:
                body = json.dumps(log("twice", name)).encode()
                await publish.publish("twice", "workflow_log", body, message_id=f"twice {name}")

    async with watch(relay, "twice") as viewer:
        await say(*ids)
        # What it was told is in the journal a quarter of a second later.
        assert ids == await viewer.lines(3)
        await asyncio.to_thread(relay.kill)
    await relay.start_async()
    async with watch(relay, "twice") as viewer:
        assert ids == await viewer.lines(3)
        await say(*reversed(ids), "four")
        assert ["four"] == await viewer.lines(1)
    assert 3 == relay.metric("relayd_messages_deduplicated_total")
    await relay.restart_async()
    async with watch(relay, "twice") as viewer:
        await say(*ids, "four", "five")
        assert [*ids, "four", "five"] == await viewer.lines(5)
    assert 4 == relay.metric("relayd_messages_deduplicated_total")


async def test_a_producer_whose_events_arrive_out_of_order(relay: PrivateRelay, seed: int) -> None:
    """They are shown in the log's order to everybody, at once, with the producer's own numbers and times."""
    numbers = Random(seed).sample(range(200), 200)
    last = ("shuffled", numbers[-1])
    async with Audience(relay) as audience:
        for transport in (*TRANSPORTS, "many"):
            audience.admit(transport, [transport], {"shuffled": last})
        await audience.until_present()
        async with publisher(relay) as publish, watch(relay, "shuffled") as viewer:
            for number in numbers:
                event = log("shuffled", "x", key=str(number)) | {"timestamp": float(number)}
                await publish.publish("shuffled", "workflow_log", json.dumps(event).encode())
            told = [await viewer.hears("workflow_log") for _ in numbers]
        await audience.until_done()
    published = [("shuffled", number) for number in numbers]
    for one in audience.onlookers:
        report = check(published, one.seen["shuffled"])
        assert (one.name, "whole") == (one.name, report.verdict), report
    assert numbers == [int(event["key"]) for event in told]
    assert [float(number) for number in numbers] == [event["timestamp"] for event in told]


def publisher(relay: PrivateRelay) -> Publisher:
    """Return a way to the relay's log for bodies as they are."""
    return Publisher(RabbitSettings.model_validate({"url": relay.rabbitmq}))
