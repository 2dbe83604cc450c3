"""What a viewer with `collapse=1` may miss: states that a later one replaced in the same envelope, each counted."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.harness.checker import Key

__all__ = ["replaced"]

STATES = frozenset({"project_progress", "agent_status_update"})


def replaced(
    published: Mapping[Any, Mapping[str, Any]], seen: Sequence[Key], folds: Iterable[tuple[int, int]]
) -> set[Key]:
    """
    Return the keys that a viewer did not see and could do without.

    `published` are the events in order, `seen` the keys without a gap among them, `folds` for each envelope that left
    something out: how many events were seen by its end, and how many it said it left out.  An envelope whose number is
    not right excuses nothing; neither does one an event that is no state, or whose successor is not in it.
    """
    order = list(published)
    ranks = {key: rank for rank, key in enumerate(order)}
    shown = sorted(ranks[key] for key in seen)
    excused: set[Key] = set()
    behind = -1
    for count, said in folds:
        end = ranks[seen[count - 1]]
        inside = set(shown[bisect_right(shown, behind) : bisect_right(shown, end)])
        missing = [rank for rank in range(behind + 1, end) if rank not in inside]
        if len(missing) == said:
            newest = {state(published[order[rank]]): rank for rank in sorted(inside)}
            excused |= {
                order[rank]
                for rank in missing
                if published[order[rank]]["type"] in STATES and newest.get(state(published[order[rank]]), -1) > rank
            }
        behind = end
    return excused


def state(event: Mapping[str, Any]) -> tuple[object, object]:
    """Return what a later event must have in common with a state to replace it."""
    return event["type"], event.get("agent")
