"""
How many connections the process can hold: each is an open file, and the system says how many of those it may have.

Law: a viewer too many is told so.  One that comes when no descriptor is left could not even be refused, and neither the
operators' listener nor the broker's connection could be opened any more.
"""

import resource

__all__ = ["connections", "shortage"]

SPARE = 32
"""Files that are open anyway: the journal, the broker, the listeners, whoever asks for metrics."""

SHARE = 8
"""Of many, one in so many is left for requests that don't stay."""


def connections(wanted: int, *, allowed: int | None = None) -> int:
    """Return how many of the wanted connections fit beside everything else; `allowed` is the limit of open files."""
    files = open_files() if allowed is None else allowed
    return min(wanted, max(1, files - max(SPARE, files // SHARE)))


def shortage(wanted: int, *, allowed: int | None = None) -> str:
    """Return a sentence for the operator when fewer fit, with the mend; empty when all do."""
    files = open_files() if allowed is None else allowed
    fit = connections(wanted, allowed=files)
    if fit == wanted:
        return ""
    return (
        f"server.max_connections is {wanted}, but this process may have no more than {files} files open, so {fit} "
        "connections are let in; raise that limit (LimitNOFILE= in the unit, `ulimit -n` in a shell) or lower the "
        "setting"
    )


def open_files() -> int:
    """Return how many files this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Without a limit; the kernel has one of its own, far above.
    return soft if soft != resource.RLIM_INFINITY else 2**20
