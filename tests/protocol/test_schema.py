"""The contract for machines."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from relayd.protocol.messages import TYPES
from relayd.protocol.schema import asyncapi, documents, json_schema


def references(node: object) -> Iterator[str]:
    """Yield every reference in a document."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(document: dict[str, Any], reference: str) -> object:
    """Return what a reference points to; raises KeyError when it points nowhere."""
    node: Any = document
    for step in reference.removeprefix("#/").split("/"):
        node = node[step]
    return node


@pytest.mark.parametrize("document", [json_schema(), asyncapi()], ids=["json_schema", "asyncapi"])
def test_every_reference_points_to_something(document: dict[str, Any]) -> None:
    """A generator that follows them finds its way."""
    found = set(references(document))
    assert found
    for reference in found:
        assert resolve(document, reference)


def test_every_message_is_in_both() -> None:
    """Nothing that is said is missing from the contract."""
    tags = {
        schema["properties"]["type"]["enum"][0]
        for schema in json_schema()["$defs"].values()
        if "type" in schema.get("properties", {})
    }
    others = {
        "connection_established",
        "batch",
        "notice",
        "ping",
        "pong",
        "subscribe",
        "unsubscribe",
        "filter",
        "refresh",
        "view",
    }
    assert {*TYPES, *others} == tags
    assert set(asyncapi()["components"]["messages"]) <= set(asyncapi()["components"]["schemas"])


def test_bounds_are_told() -> None:
    """A reader of the schema learns the limits without reading the prose."""
    found = json_schema()["$defs"]
    assert 16_384 == found["WorkflowLog"]["properties"]["message"]["maxLength"]
    assert 256 == found["Batch"]["properties"]["messages"]["maxItems"]


def test_the_documents_are_json_and_the_same_each_time() -> None:
    """A generated file that changes by itself would never be up to date."""
    assert {"protocol.schema.json", "asyncapi.json"} == set(documents())
    assert documents() == documents()
    for text in documents().values():
        assert json.loads(text)
        assert text.endswith("}\n")
