"""CloudEvents, structured and binary, as producers and brokers hand them over."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings import amqp, rabbitmq
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from relayd.dialects.cloudevents import CloudEventsDialect
from relayd.dialects.delivery import Claimant, Delivery, Item, JsonValue, Reason
from relayd.dialects.detect import Detector
from relayd.dialects.native import MAX_EVENT_BYTES, NativeDialect
from relayd.protocol.messages import (
    AgentStatusUpdate,
    ProjectCompleted,
    ProjectError,
    ProjectProgress,
    ProjectStarted,
    WorkflowLog,
    WorkflowStageUpdate,
)
from tests.protocol.strategies import quick

EVENT = {"specversion": "1.0", "id": "1", "source": "/swarm", "type": "com.example.log", "subject": "p"}


def structured(kind: str = "application/cloudevents+json; charset=utf-8", **attributes: Any) -> Item:  # noqa: ANN401
    """Return what a structured event became."""
    body = json.dumps({name: value for name, value in {**EVENT, **attributes}.items() if value is not None}).encode()
    (item,) = CloudEventsDialect().feed(Delivery(offset=1, body=body, received_at=5.0, content_type=kind))
    return item


def binary(
    body: bytes, *, content_type: str | None = "application/json", prefix: str = "cloudEvents_", **attributes: JsonValue
) -> Item:
    """Return what a binary event became; a header of somebody else's is there, too."""
    headers: dict[str, JsonValue] = {f"{prefix}{name}": value for name, value in {**EVENT, **attributes}.items()}
    headers["x-first-death-queue"] = "q"
    delivery = Delivery(offset=1, body=body, received_at=5.0, content_type=content_type, headers=headers)
    (item,) = CloudEventsDialect().feed(delivery)
    return item


@pytest.mark.parametrize(
    ("content_type", "headers", "claimed"),
    [
        ("application/cloudevents+json", {}, True),
        ("Application/CloudEvents+JSON; charset=utf-8", {}, True),
        ("application/json", {"cloudEvents_type": "x"}, True),
        ("application/json", {"cloudEvents:type": "x"}, True),
        ("application/json", {"ce-specversion": "1.0"}, True),
        ("application/json", {"ce-type": "x"}, False),
        ("application/json", {"type": "x"}, False),
        (None, {}, False),
    ],
)
def test_it_knows_its_own(content_type: str | None, headers: dict[str, JsonValue], *, claimed: bool) -> None:
    """By content type or by the headers of a binary event; what has neither is another's."""
    delivery = Delivery(offset=1, body=b"{}", received_at=5.0, content_type=content_type, headers=headers)
    dialect = CloudEventsDialect()
    assert isinstance(dialect, Claimant)
    assert claimed is dialect.claims(delivery)
    (item,) = Detector([dialect, NativeDialect()]).feed(delivery)
    assert ("CloudEvent" in item.detail) is claimed


@pytest.mark.parametrize(
    ("kind", "data", "message"),
    [
        ("com.example.project.started", {"name": "Shop"}, ProjectStarted(project_id="p", timestamp=7.0, name="Shop")),
        ("run.started", None, ProjectStarted(project_id="p", timestamp=7.0)),
        (
            "io.swarm.run.progress",
            {"progress": "45%", "message": "m"},
            ProjectProgress(project_id="p", timestamp=7.0, progress=45, message="m"),
        ),
        (
            "swarm.agent.status",
            {"agent": "a", "status": "busy", "progress": 1},
            AgentStatusUpdate(project_id="p", timestamp=7.0, agent="a", status="working", progress=1),
        ),
        (
            "swarm.stage.completed",
            {"stage": "s"},
            WorkflowStageUpdate(project_id="p", timestamp=7.0, stage="s", message="completed", status="completed"),
        ),
        (
            "swarm.log",
            "a text alone",
            WorkflowLog(project_id="p", timestamp=7.0, level="info", message="a text alone", source="/swarm"),
        ),
        ("swarm.run.finished", {}, ProjectCompleted(project_id="p", timestamp=7.0)),
        ("swarm.run.failed", {"error": "e"}, ProjectError(project_id="p", timestamp=7.0, error="e")),
    ],
)
def test_the_end_of_its_type_says_which_message(kind: str, data: object, message: object) -> None:
    """Whatever stands before it; the data are that message's fields, and the time is the event's own."""
    item = structured(type=kind, data=data, time="1970-01-01T00:00:07Z")
    assert (None, "") == (item.reason, item.detail)
    (said,) = item.messages
    assert "cloudevents" == said.dialect
    said.dialect = None
    assert message == said


def test_a_binary_event_says_the_same() -> None:
    """With either prefix, in whatever case, with attributes as native values of AMQP."""
    for prefix in ("cloudEvents_", "cloudEvents:", "CLOUDEVENTS_"):
        item = binary(b'{"level":"warn","message":"m"}', prefix=prefix, time=7, traceparent="00-x")
        (said,) = item.messages
        assert isinstance(said, WorkflowLog)
        assert ("warning", "m", 7.0) == (said.level, said.message, said.timestamp)


def test_data_that_are_no_json_are_told_by_their_size() -> None:
    """A picture has no place in a log; that there was one has."""
    (said,) = binary(b"\x89PNG", content_type="image/png").messages
    assert isinstance(said, WorkflowLog)
    assert "4 bytes of image/png" == said.message


def test_an_event_without_data_has_no_body() -> None:
    """What it is stands in the headers."""
    (said,) = binary(b"", type="swarm.run.started").messages
    assert ProjectStarted(project_id="p", timestamp=said.timestamp, dialect="cloudevents") == said


def test_a_repeat_is_known_by_source_and_id() -> None:
    """By both together; the broker's message id is another's business."""
    assert structured(data="x").message_id == structured(data="y").message_id
    assert structured(data="x").message_id != structured(data="x", id="2").message_id
    assert structured(data="x").message_id != structured(data="x", source="/other").message_id


@pytest.mark.parametrize(
    ("subject", "data", "expected"),
    [
        ("p", {"message": "m"}, ("p", None)),
        ("p/coder", {"message": "m"}, ("p", "coder")),
        ("/p/coder/", {"message": "m"}, ("p", "coder")),
        ("p/coder", {"message": "m", "project_id": "q", "agent": "other"}, ("q", "other")),
    ],
)
def test_the_subject_says_project_and_agent(subject: str, data: object, expected: tuple[str, str | None]) -> None:
    """Where the data do not."""
    (said,) = structured(subject=subject, data=data).messages
    assert expected == (said.project_id, said.agent)


@pytest.mark.parametrize(
    ("attributes", "reason", "said"),
    [
        ({"id": None}, Reason.BAD_FIELD, "id: missing or no text"),
        ({"source": ""}, Reason.BAD_FIELD, "source: missing or no text"),
        ({"specversion": "0.3"}, Reason.BAD_FIELD, "specversion: '0.3' is not understood; send 1.0"),
        ({"type": "com.example.nonsense"}, Reason.UNKNOWN_TYPE, "type: 'com.example.nonsense' ends as nothing"),
        ({"subject": None}, Reason.BAD_PROJECT, "project_id: missing"),
        ({"type": "x.project.progress", "data": {"message": "m"}}, Reason.BAD_FIELD, "progress: missing"),
        ({"kind": "application/cloudevents-batch+json"}, Reason.NOT_AN_OBJECT, "has no batches"),
    ],
)
def test_what_is_wrong_is_named(attributes: dict[str, Any], reason: Reason, said: str) -> None:
    """With the attribute and the mend; the bytes are kept."""
    item = structured(**attributes)
    assert reason is item.reason
    assert said in item.detail
    assert item.raw


@pytest.mark.parametrize("body", [b"[]", b"nonsense", b"", b'{"a":' * 10_000])
def test_a_body_that_is_no_event_is_named(body: bytes) -> None:
    """As no JSON or as no object."""
    delivery = Delivery(offset=1, body=body, received_at=5.0, content_type="application/cloudevents+json")
    (item,) = CloudEventsDialect().feed(delivery)
    assert item.reason in {Reason.NOT_JSON, Reason.NOT_AN_OBJECT}


def test_an_event_that_is_too_large_is_not_read() -> None:
    """The same bound as for every other."""
    delivery = Delivery(offset=1, body=b"x" * (MAX_EVENT_BYTES + 1), received_at=5.0)
    (item,) = CloudEventsDialect().feed(delivery)
    assert Reason.EVENT_TOO_LARGE is item.reason


MADE = {
    "type": "com.example.run.progress",
    "source": "/swarm",
    "id": "1",
    "specversion": "1.0",
    "subject": "shop/coder",
    "time": datetime(2026, 11, 27, tzinfo=UTC),
    "datacontenttype": "application/json",
    "traceparent": "00-x",
}


def made(mode: str, attributes: Mapping[str, Any], data: Any) -> Delivery:  # noqa: ANN401  # any data
    """Return an event of the SDK's as a broker hands it over, in a mode of one of its bindings."""
    event = CloudEvent({**MADE, **attributes}, data)
    headers: dict[str, Any]
    if mode.startswith("rabbitmq"):
        write = rabbitmq.to_binary if mode == "rabbitmq binary" else rabbitmq.to_structured
        sent = write(event, JSONFormat())
        body, kind, headers = sent.body, sent.content_type, sent.headers
    else:
        translate = amqp.to_binary if mode == "amqp binary" else amqp.to_structured
        message = translate(event, JSONFormat())
        body, headers = message.application_data, message.application_properties
        kind = message.properties["content-type"]
    return Delivery(offset=1, received_at=5.0, body=body, content_type=kind, headers=headers)


@pytest.mark.parametrize("mode", ["amqp binary", "amqp structured", "rabbitmq binary", "rabbitmq structured"])
def test_events_of_the_sdk_are_understood(mode: str) -> None:
    """In every mode of both bindings the same: fields, time, and by what a repeat is known; a picture by its size."""
    dialect = CloudEventsDialect()
    progress = made(mode, {}, {"progress": 65, "message": "half"})
    assert dialect.claims(progress)
    (item,) = dialect.feed(progress)
    assert ("", "/swarm\n1") == (item.detail, item.message_id)
    expected = ProjectProgress(
        project_id="shop", agent="coder", timestamp=1_795_737_600.0, progress=65, message="half", dialect="cloudevents"
    )
    assert [expected] == [*item.messages]
    (picture,) = dialect.feed(made(mode, {"type": "x.log", "datacontenttype": "image/png"}, b"\x89PNG"))
    (said,) = picture.messages
    assert isinstance(said, WorkflowLog)
    assert "4 bytes of image/png" == said.message


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"data_base64": "eyJtZXNzYWdlIjoibSJ9"}, "m"),
        ({"data_base64": "eyJtZXNzYWdlIjoibSJ9", "data": "d"}, "d"),
        ({"data_base64": "iVBORw==", "datacontenttype": "Image/PNG"}, "4 bytes of image/png"),
    ],
)
def test_data_that_are_bytes_are_read_as_a_binary_event_s(attributes: dict[str, Any], message: str) -> None:
    """JSON as what it says, without a type, too; `data` where there are both."""
    (said,) = structured(**attributes).messages
    assert isinstance(said, WorkflowLog)
    assert message == said.message


@pytest.mark.parametrize(("encoded", "told"), [("&", "data_base64: no Base64"), ("eA==", "data_base64: no JSON")])
def test_bytes_that_are_none_are_named(encoded: str, told: str) -> None:
    """Or that are no JSON where they should be."""
    assert told in structured(data_base64=encoded).detail


@quick
@given(
    st.dictionaries(
        st.sampled_from([*EVENT, "time", "data", "data_base64", "datacontenttype"]),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.text()
            | st.sampled_from(["1.0", "p", "x.log", "run.started"]),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=4,
        ),
    )
)
def test_whatever_comes_is_one_item(attributes: dict[str, Any]) -> None:
    """A message or a reason, never an exception: the number of items is the place."""
    item = structured(**attributes)
    assert (item.reason is None) == (len(item.messages) == 1)
