"""Owner and team in headers."""

import pytest

from relayd.dialects.belonging import OWNER_HEADER, TEAM_HEADER
from relayd.dialects.celery import CeleryDialect
from relayd.dialects.cloudevents import CloudEventsDialect
from relayd.dialects.delivery import Delivery, JsonValue
from relayd.dialects.detect import Detector
from relayd.dialects.native import NativeDialect
from relayd.protocol.messages import ProjectStarted

DETECTOR = Detector([CloudEventsDialect(), CeleryDialect(), NativeDialect()])
START = b'{"type": "project_started", "project_id": "p"}'


def owned(body: bytes, headers: dict[str, JsonValue]) -> list[tuple[str | None, str | None]]:
    """Return owner and team of all starts in a body."""
    items = DETECTOR.feed(Delivery(offset=1, body=body, received_at=1.0, headers=headers))
    return [
        (message.owner, message.team)
        for item in items
        for message in item.messages
        if isinstance(message, ProjectStarted)
    ]


def test_headers_say_what_the_start_does_not() -> None:
    """Each by itself, to every start in the body, and to nothing else."""
    both: dict[str, JsonValue] = {OWNER_HEADER: "ada", TEAM_HEADER: "blue"}
    assert [("ada", "blue")] == owned(START, both)
    assert [("ada", None)] == owned(START, {OWNER_HEADER: "ada"})
    assert [(None, "blue")] == owned(START, {TEAM_HEADER: "blue"})
    line = b'{"type": "log", "project_id": "p", "level": "info", "message": "m"}'
    assert [("ada", "blue")] * 2 == owned(b"[" + START + b"," + line + b"," + START + b"]", both)
    assert [] == owned(line, both)


def test_what_the_start_says_stands() -> None:
    """The headers are for those whose bodies can't be changed."""
    said = b'{"type": "project_started", "project_id": "p", "owner": "bob", "team": "red"}'
    assert [("bob", "red")] == owned(said, {OWNER_HEADER: "ada", TEAM_HEADER: "blue"})
    assert [("bob", "red")] == owned(said, {})


@pytest.mark.parametrize("value", ["", 7, True, None, 1.5])
def test_what_is_no_name_names_nobody(value: JsonValue) -> None:
    """A number that becomes a text could be somebody's name."""
    assert [(None, None)] == owned(START, {OWNER_HEADER: value, TEAM_HEADER: value})


def test_other_dialects_starts_have_owners_too() -> None:
    """They have no word for it in their bodies."""
    headers: dict[str, JsonValue] = {
        "cloudEvents:specversion": "1.0",
        "cloudEvents:id": "1",
        "cloudEvents:source": "/s",
        "cloudEvents:type": "io.example.run.started",
        "cloudEvents:subject": "p",
        OWNER_HEADER: "ada",
    }
    assert [("ada", None)] == owned(b"{}", headers)
