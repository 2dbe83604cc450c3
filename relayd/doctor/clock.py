"""Whether this machine's clock is that of others: tokens are judged by it."""

from email.utils import parsedate_to_datetime

from relayd.doctor.finding import Finding, ok, warn

__all__ = ["clock_of", "date_of"]

APART_SECONDS = 2.0
"""Tokens are judged with a leeway of five seconds at most."""


def clock_of(ahead: float, whose: str) -> Finding:
    """Judge a clock that is so many seconds ahead of this machine's."""
    where = f"{abs(ahead):.1f} s {'behind' if ahead > 0 else 'ahead of'} {whose}"
    if abs(ahead) > APART_SECONDS:
        mend = "see on both machines whether their clocks are set (`timedatectl`): tokens are judged by them"
        return warn("clock", f"this machine's is {where}", mend=mend)
    return ok("clock", f"this machine's is {where}")


def date_of(header: str) -> float | None:
    """Return the middle of the second that a `Date` header names (RFC 9110 6.6.1), Unix seconds; None without one."""
    try:
        return parsedate_to_datetime(header).timestamp() + 0.5
    except ValueError:
        return None
