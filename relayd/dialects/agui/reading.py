"""Fields of an event as they must be; whatever is wrong names the field, as AG-UI spells it, and the mend."""

from collections.abc import Mapping
from typing import Any

import msgspec

from relayd.dialects.delivery import Reason
from relayd.dialects.native import MAX_EVENT_BYTES
from relayd.dialects.normalise import Misunderstood
from relayd.dialects.values import is_flat, read_name, shown
from relayd.protocol.messages import MAX_NAME

__all__ = ["MAIN", "SHOWN", "agent_of", "attached", "need", "read_event", "read_id", "shortened"]

MAIN = "agent"
"""What the agent is called that an event without `subagentRunId` is of."""

SHOWN = 2_000
"""So much is told of what a tool is called with or answers, of an activity and of an application's own value."""

JSON = msgspec.json.Decoder()


def read_event(raw: bytes) -> dict[str, Any]:
    """Return an event; raises Misunderstood."""
    if len(raw) > MAX_EVENT_BYTES:
        detail = f"an event of {len(raw)} bytes; {MAX_EVENT_BYTES} are the most, send less or several"
        raise Misunderstood(Reason.EVENT_TOO_LARGE, detail)
    try:
        event = JSON.decode(raw)
    except (ValueError, RecursionError) as error:
        raise Misunderstood(Reason.NOT_JSON, f"no JSON: {error}") from error
    if not isinstance(event, dict):
        raise Misunderstood(Reason.NOT_AN_OBJECT, "an event of AG-UI is one JSON object")
    return event


def need(event: Mapping[str, Any], name: str) -> str:
    """Return a text that has to be there; raises Misunderstood."""
    value = event.get(name)
    if not isinstance(value, str):
        sentence = "missing" if value is None else f"expected a text, got {shown(value)}"
        raise Misunderstood(Reason.BAD_FIELD, f"{name}: {sentence}; AG-UI's {event['type']} has it")
    return value


def read_id(event: Mapping[str, Any], name: str) -> str:
    """Return an id, empty where there is none; raises Misunderstood."""
    value = event.get(name)
    if value is None or value == "":
        return ""
    exact = read_name(value)
    if exact is None:
        # They are kept in memory, so they have a bound.
        detail = f"{name}: expected a text of 1 to {MAX_NAME} characters, got {shown(value)}"
        raise Misunderstood(Reason.BAD_FIELD, detail)
    return exact


def agent_of(event: Mapping[str, Any], name: str = "subagentRunId") -> str:
    """Return which agent an event is of; raises Misunderstood."""
    return read_id(event, name) or MAIN


def shortened(text: str, *, length: int | None = None) -> str:
    """
    Return a text within SHOWN characters; one that is cut ends with a whole word, and says how much is missing.

    `length` is that of the whole where `text` is only its beginning, longer than is shown.
    """
    if len(text) <= SHOWN:
        return text
    # Half a secret is not recognised as one, so nothing is cut in two.
    end = SHOWN
    while end and not ends_word(text[end]):
        end -= 1
    return f"{text[:end]}… [cut: {(length or len(text)) - end} characters more]"


def ends_word(character: str) -> bool:
    """Return whether no secret goes on over that character."""
    return character.isspace() or character in "\"',;{}[]()<>"


def attached(name: str, value: object) -> dict[str, Any]:
    """Return the `fields` of a line of log that hold a value, nothing if it is too deep or too large to be shown."""
    fields = {name: value}
    if not is_flat(fields) or len(msgspec.json.encode(value)) > SHOWN:
        return {}
    return {"fields": fields}
