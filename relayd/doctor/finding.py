"""What a check found: one line for a person, one object for a program."""

from enum import StrEnum

from msgspec import Struct

__all__ = ["Finding", "Mark", "bad", "ok", "skipped", "warn"]


class Mark(StrEnum):
    """How it is."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"
    SKIPPED = "skip"
    """It was not looked at, and the finding says why."""


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    mark: Mark
    looked_at: str
    found: str
    mend: str = ""
    """What to do; empty only where there is nothing to do."""


def ok(looked_at: str, found: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(mark=Mark.OK, looked_at=looked_at, found=found)


def skipped(looked_at: str, why: str, mend: str = "") -> Finding:
    """Return that something was not looked at; `mend` is what would let it be."""
    return Finding(mark=Mark.SKIPPED, looked_at=looked_at, found=why, mend=mend)


def warn(looked_at: str, found: str, *, mend: str) -> Finding:
    """Return that something may become a trouble, or is half of one."""
    return Finding(mark=Mark.WARN, looked_at=looked_at, found=found, mend=mend)


def bad(looked_at: str, found: str, *, mend: str) -> Finding:
    """Return that something is wrong."""
    return Finding(mark=Mark.BAD, looked_at=looked_at, found=found, mend=mend)
