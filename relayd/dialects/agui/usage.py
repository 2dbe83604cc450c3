"""What a run has used: AG-UI's list, an entry for each model, as one set of numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["total"]

COUNTS = {
    "inputTokens": "input_tokens",
    "outputTokens": "output_tokens",
    "totalTokens": "total_tokens",
    "reasoningTokens": "reasoning_tokens",
    "cachedInputTokens": "cached_input_tokens",
    "cacheWriteInputTokens": "cache_write_input_tokens",
}
"""The last three are parts of the first two, never additions to them."""

MOST = 2**53
"""What AG-UI's own counts are below, and every reader's numbers are exact to."""


def total(usage: object) -> dict[str, Any] | None:
    """
    Return the sums over all entries, and the model's name, or a report for each; None where nothing was counted.

    An entry without `totalTokens` adds its input and its output to it.
    """
    entries = [entry for entry in usage if isinstance(entry, Mapping)] if isinstance(usage, list) else []
    counted = [counts for entry in entries if (counts := counts_of(entry))]
    if not counted:
        return None
    sums: dict[str, Any] = {
        name: min(MOST, sum(counts.get(name, 0) for counts in counted))
        for name in COUNTS.values()
        if any(name in counts for counts in counted)
    }
    if (model := only_model(entries)) is not None:
        sums["model"] = model
    elif len(counted) > 1:
        named = [(entry.get("model"), counts) for entry in entries if (counts := counts_of(entry))]
        sums["models"] = [{"model": name, **counts} if isinstance(name, str) else counts for name, counts in named]
    return sums


def counts_of(entry: Mapping[str, Any]) -> dict[str, int]:
    """Return the counts of one model, the total among them."""
    counts: dict[str, int] = {ours: entry[theirs] for theirs, ours in COUNTS.items() if is_count(entry.get(theirs))}
    if counts and "total_tokens" not in counts:
        counts["total_tokens"] = counts.get("input_tokens", 0) + counts.get("output_tokens", 0)
    return counts


def is_count(value: object) -> bool:
    """Return whether a value is a count that every reader reads the same."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST


def only_model(entries: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the model that all entries are of, None where they name several or one does not say."""
    names = {entry.get("model") if isinstance(entry.get("model"), str) else None for entry in entries}
    return names.pop() if len(names) == 1 else None
