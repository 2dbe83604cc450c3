"""Somebody new for each request: who fails often from one address is made to wait."""

import itertools

__all__ = ["stranger"]

NUMBERS = itertools.count(1)


def stranger() -> dict[str, str]:
    """Return headers as a trusted proxy adds them, that name an address which nobody had before."""
    return {"X-Forwarded-For": f"2001:db8::{next(NUMBERS):x}"}
