import json

import pytest

from relayd.cli.emit import fields
from relayd.cli.exits import CommandFailed
from relayd.rabbitmq.settings import RabbitSettings
from relayd.rabbitmq.topology import setup
from tests.cli.commanding import relayd
from tests.client.small_relay import SmallRelay


async def test_an_event_is_posted(relay: SmallRelay, capsys: pytest.CaptureFixture[str]) -> None:
    """It is printed, and where it stands is told on stderr."""
    relay.answers = [(200, {"cursor": "c7", "accepted": 1})]
    said = await relayd(
        "emit",
        "p",
        "project_progress",
        "progress=65",
        "message=half way",
        "--url",
        relay.url,
        "--token",
        "t",
        capsys=capsys,
    )
    (request,) = relay.posted
    event = json.loads(request.body)
    assert event.pop("timestamp") > 1e9
    assert len(request.headers["Message-Id"]) == 36
    assert event == {"type": "project_progress", "project_id": "p", "progress": 65, "message": "half way"}
    assert json.loads(said.out) == json.loads(request.body)
    assert (said.status, said.err) == (0, "cursor c7\n")
    assert request.headers["Authorization"] == "Bearer t"


async def test_an_event_that_is_not_understood_is_an_error(
    relay: SmallRelay, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the relay's sentence."""
    answer = {"cursor": "c7", "rejected": [{"reason": "unknown_type"}], "detail": "no such type", "code": "BAD_REQUEST"}
    relay.answers = [(422, answer)]
    said = await relayd("emit", "p", "nonsense", "--force", "--url", relay.url, capsys=capsys)
    assert said.status == 65
    assert "no such type" in said.err


@pytest.mark.parametrize(
    ("words", "detail"), [(("nonsense",), "nonsense"), (("project_progress", "progress=much"), "progress")]
)
async def test_what_no_relay_understands_is_not_published(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], detail: str
) -> None:
    """Through RabbitMQ nobody would answer; the sentence comes before, and names the field."""
    said = await relayd("emit", "p", *words, "--amqp", "amqp://127.0.0.1:1/", capsys=capsys)
    assert (said.status, said.out) == (65, "")
    assert detail in said.err
    assert "--force" in said.err


async def test_an_event_goes_to_rabbitmq(amqp_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is confirmed, and its message id is told."""
    await setup(amqp_url, RabbitSettings())
    said = await relayd("emit", "p", "workflow_log", "level=info", "message=hi", "--amqp", amqp_url, capsys=capsys)
    assert said.status == 0
    assert json.loads(said.out)["message"] == "hi"
    assert said.err.startswith("confirmed, message id ")


@pytest.mark.parametrize(
    "arguments",
    [(), ("--url", "http://x", "--amqp", "amqp://x"), ("--amqp", "http://x"), ("--url", "x"), ("oops", "--url", "http://x"),
     ("type=x", "--url", "http://x")],
)  # fmt: skip
async def test_bad_arguments_are_named(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    """Nothing is published."""
    said = await relayd("emit", "p", "workflow_log", "level=info", "message=x", *arguments, capsys=capsys)
    assert (said.status, said.out) == (64, "")


def test_values_are_json_where_they_parse() -> None:
    """Numbers, words of JSON and objects are what they mean, everything else is text."""
    words = ["a=1", "b=x", "c=true", 'd={"e":[1]}', "f=1=2", 'g="1"', "h="]
    assert fields(words) == {"a": 1, "b": "x", "c": True, "d": {"e": [1]}, "f": "1=2", "g": "1", "h": ""}
    with pytest.raises(CommandFailed, match="key=value"):
        fields(["=1"])
