"""The table `[redaction]`: which secrets in events are hidden."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from relayd.config.table import Table
from relayd.core.redaction import SWITCHES

__all__ = ["Redaction"]


def _rule(name: str) -> str:
    if name not in SWITCHES:
        raise ValueError(f"{name!r} is no rule; rules are {', '.join(SWITCHES)}")
    return name


def _pattern(text: str) -> str:
    try:
        found = re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from error
    if found.search("") is not None:
        raise ValueError(f"{text!r} matches the empty text, so it would hide something between all letters")
    return text


class Redaction(Table):
    """
    Secrets in events are hidden before anybody sees them or they are kept; places and cursors stay as they are.

    An event that could not be understood is kept without its secrets, too, and published again without them.
    """

    off: tuple[Annotated[str, AfterValidator(_rule)], ...] = Field(
        default=(), description="Rules that are not applied: " + ", ".join(f"`{name}`" for name in SWITCHES) + "."
    )
    fields: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=(),
        description="Fields whose values are hidden: a name, wherever it stands and however it is spelled, or a path "
        'from the top of a message, as in "fields.user.mail", with `*` for each element of a list. With any of these '
        "every event is looked at closely.",
    )
    patterns: tuple[Annotated[str, AfterValidator(_pattern)], ...] = Field(
        default=(),
        description="Regular expressions of Python; what they match is hidden. A group called `keep` or `also` stays. "
        "With any of these every event is looked at closely, so let them be quick.",
    )
