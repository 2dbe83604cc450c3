"""The contract for machines: JSON Schema and AsyncAPI made out of the structs that the code itself uses."""

import json
from typing import Any

import msgspec

from relayd.protocol.codec import MAX_ENVELOPE_MESSAGES, Batch
from relayd.protocol.commands import Filter, Ping, Pong, Refresh, Subscribe, Unsubscribe, View
from relayd.protocol.endpoints import WEBSOCKET, WEBSOCKET_MANY
from relayd.protocol.messages import TYPES, ConnectionEstablished, Notice

__all__ = ["asyncapi", "documents", "json_schema"]

Document = dict[str, Any]

EVENTS = tuple(TYPES.values())
ANSWERS = (ConnectionEstablished, Batch, Notice, Pong)
COMMANDS = (Ping, Pong, Subscribe, Unsubscribe, Filter, Refresh, View)

TITLE = "relayd wire contract"
VERSION = "1"


def documents() -> dict[str, str]:
    """Return the text of each document by its file name."""
    made = {"protocol.schema.json": json_schema(), "asyncapi.json": asyncapi()}
    return {name: json.dumps(document, indent=2, ensure_ascii=False) + "\n" for name, document in made.items()}


def json_schema() -> Document:
    """Return the JSON Schema of what a viewer may hear; the words of viewers and workers stand in `$defs`, too."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{TITLE}, version {VERSION}",
        "description": "One text frame from the relay. Fields that are not listed may be added and are to be ignored.",
        "anyOf": [{"$ref": f"#/$defs/{kind.__name__}"} for kind in (*EVENTS, *ANSWERS)],
        "$defs": definitions("#/$defs/{name}"),
    }


def asyncapi() -> Document:
    """Return the AsyncAPI document: the two WebSockets and the exchange that workers publish to."""
    heard, said, published = names_of(EVENTS + ANSWERS), names_of(COMMANDS), names_of(EVENTS)
    channels = {
        "project": {
            "address": WEBSOCKET,
            "description": "Live events of one project.",
            "parameters": {"project_id": {"description": "The project to watch."}},
            "messages": references(sorted({*heard, *said})),
        },
        "projects": {
            "address": WEBSOCKET_MANY,
            "description": "Live events of many projects on one socket, subscribed to one by one.",
            "messages": references(sorted({*heard, *said})),
        },
        "events": {
            "address": "{project_id}.{type}",
            "description": "What workers publish: one event, an array of them, or one a line.",
            "parameters": {
                "project_id": {"description": "For people who bind queues; the relay reads the body only."},
                "type": {"description": "Type of the event, or of the first of several."},
            },
            "messages": references(published),
            "bindings": {
                "amqp": {"is": "routingKey", "exchange": {"name": "swarm.events", "type": "topic", "durable": True}}
            },
        },
    }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": TITLE, "version": VERSION, "description": "The prose is docs/protocol.md."},
        "channels": channels,
        "operations": {
            "tellProject": operation("send", "project", heard),
            "hearProject": operation("receive", "project", said),
            "tellProjects": operation("send", "projects", heard),
            "hearProjects": operation("receive", "projects", said),
            "takeEvents": operation("receive", "events", published),
        },
        "components": {
            "messages": {
                name: {"contentType": "application/json", "payload": {"$ref": f"#/components/schemas/{name}"}}
                for name in sorted({*heard, *said})
            },
            "schemas": definitions("#/components/schemas/{name}"),
        },
    }


def definitions(template: str) -> Document:
    """Return the schemas by name; `template` says where others find them."""
    kinds = dict.fromkeys((*EVENTS, *ANSWERS, *COMMANDS))
    _, found = msgspec.json.schema_components(kinds, ref_template=template)
    found["Batch"]["properties"]["messages"]["maxItems"] = MAX_ENVELOPE_MESSAGES
    return dict(sorted(found.items()))


def names_of(kinds: tuple[type, ...]) -> list[str]:
    """Return the names under which their schemas stand."""
    return [kind.__name__ for kind in kinds]


def references(names: list[str]) -> Document:
    """Return the messages of a channel."""
    return {name: {"$ref": f"#/components/messages/{name}"} for name in names}


def operation(action: str, channel: str, names: list[str]) -> Document:
    """Return what the relay does on a channel."""
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in names],
    }
