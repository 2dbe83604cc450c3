"""What a worker may say in the headers of a message: whose a project is, and in other dialects which it is."""

from collections.abc import Mapping, Sequence

from relayd.dialects.delivery import Item, JsonValue
from relayd.protocol.messages import ProjectStarted

__all__ = ["OWNER_HEADER", "PROJECT_HEADER", "TEAM_HEADER", "adopt_owner"]

OWNER_HEADER, TEAM_HEADER = "x-relayd-owner", "x-relayd-team"

PROJECT_HEADER = "x-relayd-project"
"""For dialects whose events do not always say of which project they are."""


def adopt_owner(items: Sequence[Item], headers: Mapping[str, JsonValue]) -> None:
    """Give owner and team to the starts among what was just read; what they say themselves stands."""
    owner, team = text(headers, OWNER_HEADER), text(headers, TEAM_HEADER)
    if owner is None and team is None:
        return
    for item in items:
        for message in item.messages:
            if isinstance(message, ProjectStarted):
                message.owner = message.owner or owner
                message.team = message.team or team


def text(headers: Mapping[str, JsonValue], name: str) -> str | None:
    """Return what a header says in words; a number or nothing names nobody."""
    value = headers.get(name)
    return value if isinstance(value, str) and value else None
