"""The words that producers use for a level, a status or an activity, and what the contract calls them."""

from collections.abc import Mapping
from typing import TypeVar

__all__ = ["ACTIVITIES", "AGENT_STATUSES", "FLAGS", "LEVELS", "STAGE_STATUSES", "look_up"]

Meaning = TypeVar("Meaning")

LEVELS = {
    "info": "info",
    "debug": "info",
    "trace": "info",
    "verbose": "info",
    "notice": "info",
    "information": "info",
    "success": "success",
    "ok": "success",
    "warning": "warning",
    "warn": "warning",
    "error": "error",
    "err": "error",
    "critical": "error",
    "crit": "error",
    "fatal": "error",
    "alert": "error",
    "emergency": "error",
    "panic": "error",
}

AGENT_STATUSES: dict[str, tuple[str, str | None]] = {
    "idle": ("idle", None),
    "ready": ("idle", None),
    "waiting": ("idle", "waiting"),
    "pending": ("idle", "waiting"),
    "queued": ("idle", "waiting"),
    "working": ("working", None),
    "running": ("working", None),
    "busy": ("working", None),
    "active": ("working", None),
    "started": ("working", None),
    "in_progress": ("working", None),
    "thinking": ("working", "thinking"),
    "using_tool": ("working", "using_tool"),
    "waiting_for_human": ("working", "waiting_for_human"),
    "completed": ("completed", None),
    "complete": ("completed", None),
    "done": ("completed", None),
    "finished": ("completed", None),
    "success": ("completed", None),
    "succeeded": ("completed", None),
    "failed": ("failed", None),
    "failure": ("failed", None),
    "error": ("failed", None),
    "errored": ("failed", None),
    "crashed": ("failed", None),
}
"""Status and activity; a word that says only the status leaves the activity open."""

STAGE_STATUSES = {
    "pending": "pending",
    "queued": "pending",
    "waiting": "pending",
    "running": "running",
    "working": "running",
    "active": "running",
    "busy": "running",
    "started": "running",
    "in_progress": "running",
    "completed": "completed",
    "complete": "completed",
    "done": "completed",
    "finished": "completed",
    "success": "completed",
    "succeeded": "completed",
    "failed": "failed",
    "failure": "failed",
    "error": "failed",
}

ACTIVITIES = {word: word for word in ("thinking", "using_tool", "waiting_for_human", "waiting")}
FLAGS: dict[str, bool] = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def look_up(words: Mapping[str, Meaning], value: object) -> Meaning | None:
    """Return what a word means in a table, in whatever case and with `_`, `-` or spaces; None for any other value."""
    if not isinstance(value, str):
        return None
    return words.get(value.strip().lower().replace("-", "_").replace(" ", "_"))
