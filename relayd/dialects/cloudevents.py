"""
CloudEvents 1.0 over AMQP and HTTP: structured (the whole event is the body) and binary (attributes are headers).

RabbitMQ turns the application properties of AMQP 1.0, for which the binding is written, into headers, so that is where
the attributes of a binary event are: `cloudEvents_type` or `cloudEvents:type` (AMQP binding 1.0.3-wip, section 3.1), or
`ce-type` (the binding for RabbitMQ, as Knative and the SDKs have it).

Law 1: an event is one place, whatever is in it.
Law 2: the producer's own `source` and `id` recognise a repeat (CloudEvents 1.0, section 3.1.1), nothing else does.
"""

import re
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

import msgspec

from relayd.dialects.delivery import Delivery, Item, Reason
from relayd.dialects.native import MAX_EVENT_BYTES
from relayd.dialects.normalise import ALIASES, Misunderstood, normalise
from relayd.dialects.values import read_project, shown
from relayd.protocol.messages import Message

__all__ = ["CloudEventsDialect"]

STRUCTURED = "application/cloudevents"
BATCH = "application/cloudevents-batch"
PREFIX = re.compile(r"(?:cloudevents[_:]|ce-)(.+)", re.IGNORECASE)
OURS = re.compile(r"cloudevents[_:].|ce-specversion$", re.IGNORECASE)
"""Headers that mark an event; `ce-` alone may be anybody's."""

REQUIRED = ("specversion", "id", "source", "type")
CONTEXT = frozenset({*REQUIRED, "subject", "time", "datacontenttype", "dataschema", "data", "data_base64"})
"""What is an attribute of its own; the others are extensions."""

JSON_TYPES = re.compile(r"(application|text)/([a-z0-9.+-]+\+)?json\b")

ENDINGS = ALIASES | {
    f"{noun}.{verb}": ALIASES[kind]
    for kind, noun, verbs in (
        ("project_started", "run", ("started",)),
        ("project_progress", "run", ("progress",)),
        ("project_completed", "run", ("completed", "finished", "succeeded")),
        ("project_completed", "project", ("finished", "succeeded")),
        ("project_error", "run", ("failed", "error")),
        ("workflow_stage_update", "stage", ("started", "completed", "failed")),
        ("agent_status_update", "agent", ("updated",)),
        ("workflow_log", "log", ("line",)),
    )
    for verb in verbs
}
"""The message by how a type ends: `com.example.swarm.run.started` begins a project."""

IMPLIED = {"started": "running", "completed": "completed", "failed": "failed"}
"""What the last word of a stage's type says of its status."""

JSON = msgspec.json.Decoder()


class CloudEventsDialect:
    """One CloudEvent a body; its `type` ends as a native type does, its data are that message's fields."""

    name = "cloudevents"

    def __init__(self, settings: object = None) -> None:
        """Take no settings; the parameter is every dialect's."""

    def claims(self, delivery: Delivery) -> bool:
        """Return whether it is marked as one, by its content type or by the headers of a binary one."""
        if (delivery.content_type or "").lower().startswith(STRUCTURED):
            return True
        return bool(delivery.headers) and any(map(OURS.match, delivery.headers))

    def feed(self, delivery: Delivery) -> list[Item]:
        """Return one item; it is rejected with the attribute that is missing or wrong."""
        name: str | None = delivery.message_id or None
        try:
            attributes = read_attributes(delivery)
            name = f"{attributes['source']}\n{attributes['id']}"
            return [Item(messages=(read_message(attributes, delivery.received_at),), message_id=name)]
        except Misunderstood as error:
            return [Item(reason=error.reason, detail=error.detail, raw=delivery.body, message_id=name)]


def read_attributes(delivery: Delivery) -> dict[str, Any]:
    """Return the attributes with `data` among them; raises Misunderstood."""
    if len(delivery.body) > MAX_EVENT_BYTES:
        detail = f"an event of {len(delivery.body)} bytes; {MAX_EVENT_BYTES} are the most, send less or several"
        raise Misunderstood(Reason.EVENT_TOO_LARGE, detail)
    kind = (delivery.content_type or "").lower()
    if kind.startswith(BATCH):
        detail = "content type: the binding for AMQP has no batches; send each event in a message of its own"
        raise Misunderstood(Reason.NOT_AN_OBJECT, detail)
    attributes = read_structured(delivery.body) if kind.startswith(STRUCTURED) else read_binary(delivery, kind)
    for name in REQUIRED:
        if not isinstance(attributes.get(name), str) or not attributes[name]:
            detail = f"{name}: missing or no text; a CloudEvent has {', '.join(REQUIRED)}"
            raise Misunderstood(Reason.BAD_FIELD, detail)
    if not attributes["specversion"].startswith("1."):
        detail = f"specversion: {shown(attributes['specversion'])} is not understood; send 1.0"
        raise Misunderstood(Reason.BAD_FIELD, detail)
    return attributes


def read_structured(body: bytes) -> dict[str, Any]:
    """Return the event in a body (JSON format of CloudEvents 1.0); raises Misunderstood."""
    event = read_json(body, "the body")
    if not isinstance(event, dict):
        raise Misunderstood(Reason.NOT_AN_OBJECT, "a structured CloudEvent is one JSON object")
    if isinstance(encoded := event.get("data_base64"), str) and "data" not in event:
        event["data"] = read_base64(encoded, str(event.get("datacontenttype") or ""))
    return event


def read_base64(encoded: str, kind: str) -> Any:  # noqa: ANN401 -- any JSON
    """Return data that are bytes in the JSON format (section 3.1.1), as a binary event's are; raises Misunderstood."""
    try:
        raw = b64decode(encoded, validate=True)
    except ValueError as error:
        detail = f"data_base64: no Base64: {error}; send `data` where it is JSON"
        raise Misunderstood(Reason.BAD_FIELD, detail) from error
    return read_data(raw, kind.lower(), what="data_base64")


def read_data(raw: bytes, kind: str, *, what: str) -> Any:  # noqa: ANN401 -- any JSON
    """Return data, told by their size where they are no JSON; raises Misunderstood."""
    is_json = not kind or JSON_TYPES.match(kind) is not None
    return read_json(raw, what) if is_json else f"{len(raw)} bytes of {kind}"


def read_binary(delivery: Delivery, kind: str) -> dict[str, Any]:
    """Return the attributes in the headers and the data in the body; raises Misunderstood."""
    attributes: dict[str, Any] = {}
    for header, value in delivery.headers.items():
        if (match := PREFIX.match(header)) is not None:
            attributes[match[1].lower()] = value
    if delivery.body:
        attributes["data"] = read_data(delivery.body, kind, what="data")
    return attributes


def read_json(raw: bytes, what: str) -> Any:  # noqa: ANN401 -- any JSON
    """Return a JSON value; raises Misunderstood."""
    try:
        return JSON.decode(raw)
    except (ValueError, RecursionError) as error:
        raise Misunderstood(Reason.NOT_JSON, f"{what}: no JSON: {error}") from error


def read_message(attributes: Mapping[str, Any], received_at: float) -> Message:
    """Return the message that an event says; raises Misunderstood."""
    kind, ending = read_type(attributes["type"])
    data = attributes.get("data")
    fields: dict[str, Any] = dict(data) if isinstance(data, dict) else {}
    if not isinstance(data, dict) and isinstance(data, str | int | float):
        fields["message"] = data
    fields["type"] = kind
    if kind == "workflow_stage_update":
        fields.setdefault("status", IMPLIED.get(ending))
        fields.setdefault("message", ending)
    if kind == "workflow_log":
        fields.setdefault("level", "info")
        fields.setdefault("source", attributes["source"])
    if attributes.get("time") is not None:
        fields["timestamp"] = attributes["time"]
    read_subject(attributes, fields)
    message = normalise(fields, received_at)
    message.dialect = CloudEventsDialect.name
    return message


def read_type(text: str) -> tuple[str, str]:
    """Return the native type and the last word of a CloudEvent's type; raises Misunderstood."""
    words = text.strip().lower().split(".")
    for length in (2, 1):
        found = ENDINGS.get(".".join(words[-length:]))
        if found is not None:
            return str(found.__struct_config__.tag), words[-1]
    detail = (
        f"type: {shown(text)} ends as nothing that is known; let it end as in `…project.started`, or map it by a rule"
    )
    raise Misunderstood(Reason.UNKNOWN_TYPE, detail)


def read_subject(attributes: Mapping[str, Any], fields: dict[str, Any]) -> None:
    """Take project and agent from `subject`, as `project` or `project/agent`, where the data do not say them."""
    subject = attributes.get("subject")
    if not isinstance(subject, str):
        return
    project, _, agent = subject.strip("/").partition("/")
    if not {"project_id", "projectId", "project"} & fields.keys() and read_project(project) is not None:
        fields["project_id"] = project
    if agent and not {"agent", "agent_name", "agentName"} & fields.keys():
        fields["agent"] = agent
