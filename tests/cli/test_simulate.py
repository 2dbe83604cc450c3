import asyncio
import json
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from relayd.cli.simulate import groups, load
from relayd.dialects.delivery import Delivery
from relayd.dialects.native import NativeDialect
from relayd.rabbitmq.settings import RabbitSettings
from relayd.rabbitmq.topology import setup
from tests.cli.commanding import Child, relayd
from tests.client.small_relay import SmallRelay

TAKEN = (200, {"cursor": "c1"})


async def test_what_was_confirmed_stands_in_the_journal(
    relay: SmallRelay, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every event by project and number, in the order of publishing, as a checker needs it."""
    relay.answers = [TAKEN] * 3
    journal = tmp_path / "confirmed.ndjson"
    said = await relayd(
        "simulate", "--events", "25", "--projects", "2", "--batch", "10", "--url", relay.url,
        "--journal", str(journal), capsys=capsys,
    )  # fmt: skip
    published = [event for request in relay.posted for event in json.loads(request.body)]
    noted = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    assert [10, 10, 5] == [len(json.loads(request.body)) for request in relay.posted]
    assert noted == [{"project_id": event["project_id"], "seq": int(event["key"])} for event in published]
    assert Counter(line["project_id"] for line in noted) == {"load-1": 13, "load-2": 12}
    assert said.out.startswith("confirmed 25 events of 2 projects in 3 bodies, ")


async def test_all_it_says_is_understood(relay: SmallRelay, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing of it would be rejected."""
    relay.answers = [TAKEN]
    await relayd("simulate", "--events", "500", "--batch", "500", "--url", relay.url, capsys=capsys)
    items = NativeDialect().feed(Delivery(offset=0, body=relay.posted[0].body, received_at=2e9))
    assert [None] * 500 == [item.reason for item in items]


async def test_a_failure_does_not_hide_what_was_confirmed(
    relay: SmallRelay, capsys: pytest.CaptureFixture[str]
) -> None:
    """The summary comes all the same, and the status tells that it is not all."""
    relay.answers = [TAKEN, (403, {"detail": "no longer a worker", "code": "FORBIDDEN"})]
    said = await relayd("simulate", "--events", "5", "--url", relay.url, capsys=capsys)
    assert said.status == 77
    assert said.out.startswith("confirmed 1 events ")
    assert "no longer a worker" in said.err


async def test_rabbitmq_gets_it(amqp_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Through confirms."""
    await setup(amqp_url, RabbitSettings())
    said = await relayd("simulate", "--events", "20", "--batch", "7", "--amqp", amqp_url, capsys=capsys)
    assert (said.status, said.err) == (0, "")
    assert said.out.startswith("confirmed 20 events of 3 projects in 3 bodies, ")


async def test_stories_go_on_until_interrupted(relay: SmallRelay) -> None:
    """With a summary at the end, and the status of an interrupt."""
    relay.answers = [TAKEN] * 100
    child = await Child.start("simulate", "--forever", "--url", relay.url)
    async with asyncio.timeout(20):
        await relay.first_post.wait()
    child.interrupt()
    line = await child.line()
    assert await child.end() == (130, "")
    assert json.loads(relay.posted[0].body)["type"] == "project_started"
    assert line.startswith("confirmed ")


@pytest.mark.parametrize(
    "arguments",
    [(), ("--events", "1", "--forever"), ("--events", "0"), ("--events", "1", "--journal", "/nowhere/file")],
)
async def test_bad_arguments_are_named(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    """Nothing is published."""
    said = await relayd("simulate", *arguments, "--url", "http://127.0.0.1:1", capsys=capsys)
    assert (said.status, said.out) == (64, "")


def test_a_rate_is_a_wait_before_each_event() -> None:
    """Events in one body wait together."""
    beats = load(({"n": number} for number in range(5)), 10)
    waits = [(round(wait, 3), len(group)) for wait, group in islice(groups(beats, 2), 5)]
    assert waits == [(0.2, 2), (0.2, 2), (0.1, 1)]
