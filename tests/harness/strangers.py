"""Somebody new for each request: who fails often from one address is made to wait."""

import itertools

__all__ = ["stranger"]

NUMBERS = itertools.count(1)


def stranger() -> dict[str, str]:
    """Return headers as a trusted proxy adds them, that name a network (a /64) which nobody had before."""
    high, low = divmod(next(NUMBERS), 1 << 16)
    return {"X-Forwarded-For": f"2001:db8:{high:x}:{low:x}::1"}
