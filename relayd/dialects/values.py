"""
What producers write for a value, read into what the contract says (docs/protocol.md section 1).

A reader returns the exact value, or None for what it can't read; it never guesses and never raises.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from math import isfinite
from typing import Any

import msgspec
from msgspec import Struct

from relayd.dialects import usage
from relayd.dialects.words import ACTIVITIES, AGENT_STATUSES, FLAGS, LEVELS, STAGE_STATUSES, look_up
from relayd.protocol.messages import MAX_LOG_MESSAGE, MAX_NAME, PROJECT_ID, Budget

__all__ = [
    "ACTIVITY",
    "AGENT_STATUS",
    "BUDGET",
    "FLAG",
    "LEVEL",
    "LINE",
    "NAME",
    "NAMES",
    "OBJECT",
    "PROGRESS",
    "PROJECT",
    "SECONDS",
    "STAGE_STATUS",
    "TEXT",
    "USAGE",
    "Kind",
    "cut_line",
    "is_flat",
    "read_name",
    "read_project",
    "read_timestamp",
    "read_usage",
    "shown",
]

MAX_DEPTH = 8
"""Deepest nesting of `fields` and `usage`; decoder and encoder would break at depths that differ from call to call."""

EXACT = 2**53
"""JSON numbers beyond it are not exact in browsers."""

MAX_TIME = 1e11
"""Unix seconds: about the year 5138."""

MAX_NUMBER_TEXT = 32
MAX_SHOWN = 60

NUMBER_TEXT = re.compile(r"([+-]?[0-9]+)(\.[0-9]+)?\s*%?")
PROJECT_TEXT = re.compile(PROJECT_ID)

# From nanoseconds down: a number this large or larger is in that unit, for any day after 1973 and before 5138.
# The units are integers, because dividing by a float would round a long number twice.
UNITS = ((1e17, 10**9), (1e14, 10**6), (1e11, 10**3))


class Kind(Struct, frozen=True):
    """A kind of value: what a producer is told to write, and how it is read."""

    expects: str
    read: Callable[[Any], Any]


def read_text(value: object) -> str | None:
    """Return a text; a number is one, too."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def read_line(value: object) -> str | None:
    """Return the text of a log line within its bound."""
    text = read_text(value)
    return None if text is None else cut_line(text)


def cut_line(text: str) -> str:
    """Return a log line within MAX_LOG_MESSAGE characters; one that is cut says how much is missing."""
    if len(text) <= MAX_LOG_MESSAGE:
        return text
    # The mark is no longer than one that counts the whole text, so there is room for the true one.
    kept = MAX_LOG_MESSAGE - len(cut_mark(len(text)))
    return text[:kept] + cut_mark(len(text) - kept)


def cut_mark(missing: int) -> str:
    """Return what stands at the end of a line that was cut."""
    return f"… [cut: {missing} characters more]"


def read_name(value: object) -> str | None:
    """Return a name that others refer to."""
    text = read_text(value)
    return text if text is not None and 1 <= len(text) <= MAX_NAME else None


def read_names(value: object) -> list[str] | None:
    """Return a list of texts, all of them or nothing."""
    if not isinstance(value, list):
        return None
    texts = [text for text in map(read_text, value) if text is not None]
    return texts if len(texts) == len(value) else None


def read_project(value: object) -> str | None:
    """Return a project's id."""
    text = read_text(value)
    return text if text is not None and PROJECT_TEXT.match(text) else None


def read_number(value: object) -> float | None:
    """Return a finite number; a text is read if it is plain digits, with `%` or without."""
    if isinstance(value, str):
        match = NUMBER_TEXT.fullmatch(value.strip()) if len(value) <= MAX_NUMBER_TEXT else None
        if match is None:
            return None
        return int(match[1]) if match[2] is None else float(match[1] + match[2])
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # An integer of any length is finite; asking a long one would overflow.
    return value if isinstance(value, int) or isfinite(value) else None


def read_progress(value: object) -> float | None:
    """Return 0 to 100; what lies beyond is brought to the nearest end."""
    number = read_number(value)
    return None if number is None else max(0, min(100, number))


def read_seconds(value: object) -> float | None:
    """Return a number of seconds that is the same for every reader."""
    number = read_number(value)
    return number if number is not None and -EXACT <= number <= EXACT else None


def read_timestamp(value: object) -> float | None:
    """Return Unix seconds from ISO 8601 (no zone is UTC) or a number of s, ms, µs or ns by its magnitude."""
    number = read_number(value)
    # Digits come first: "1712121212123" would also pass for a day in the year 1712.
    if isinstance(value, str) and (number is None or value.endswith("%")):
        number = read_moment(value.strip())
    if number is None:
        return None
    divisor = next((unit for least, unit in UNITS if number >= least), 1)
    # Compared before it is divided: an integer of any length can be compared, not turned into a float.
    return float(number / divisor) if 0 <= number < MAX_TIME * divisor else None


def read_moment(text: str) -> float | None:
    """Return Unix seconds from ISO 8601."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def read_flag(value: object) -> bool | None:
    """Return yes or no."""
    return value if isinstance(value, bool) else look_up(FLAGS, read_text(value))


def read_object(value: object) -> dict[str, Any] | None:
    """Return an object that is not nested deeply."""
    return value if isinstance(value, dict) and is_flat(value) else None


def read_usage(value: object) -> dict[str, Any] | None:
    """Return a report, or a list of them, whose numbers can be summed without end: the same object if it is exact."""
    return usage.canonical(value) if isinstance(value, dict | list) and is_flat(value) else None


def read_budget(value: object) -> Budget | None:
    """Return a budget; what it does not say has none."""
    try:
        return msgspec.convert(value, Budget)
    except msgspec.ValidationError:
        return None


def is_flat(value: object, depth: int = MAX_DEPTH) -> bool:
    """Return whether nothing in it is nested deeper than that."""
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return depth > 0 and all(is_flat(each, depth - 1) for each in inner)


def shown(value: object) -> str:
    """Return a value as an error shows it: short, on one line, whatever it is."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    # Cut before it is quoted, because it may be long, and again after, because quoting makes it longer.
    text = repr(value[: MAX_SHOWN + 1] if isinstance(value, str) else value)
    return text if len(text) <= MAX_SHOWN + 2 else f"{text[:MAX_SHOWN]}…"


TEXT = Kind("a text", read_text)
LINE = Kind("a text", read_line)
NAME = Kind(f"a text of 1 to {MAX_NAME} characters", read_name)
NAMES = Kind("a list of texts", read_names)
PROJECT = Kind(
    "1 to 128 characters out of A-Z, a-z, 0-9 and `_~-.`, the first of them no dot",
    read_project,
)
PROGRESS = Kind("a number from 0 to 100 or a text such as '45%'", read_progress)
SECONDS = Kind("a number of seconds", read_seconds)
LEVEL = Kind("info, success, warning or error", partial(look_up, LEVELS))
AGENT_STATUS = Kind("idle, working, completed or failed", partial(look_up, AGENT_STATUSES))
ACTIVITY = Kind("thinking, using_tool, waiting_for_human or waiting", partial(look_up, ACTIVITIES))
STAGE_STATUS = Kind("pending, running, completed or failed", partial(look_up, STAGE_STATUSES))
BUDGET = Kind("an object of `tokens`, a whole number from 1, and `cost`, from 0.01 to 1,000,000", read_budget)
FLAG = Kind("true or false", read_flag)
OBJECT = Kind(f"an object nested at most {MAX_DEPTH} deep", read_object)
USAGE = Kind(
    f"an object nested at most {MAX_DEPTH} deep, its numbers between -2⁵³ and 2⁵³, its tokens whole and its cost not "
    "below 0; or a list of such",
    read_usage,
)
