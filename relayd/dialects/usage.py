"""
Usage reports as libraries and providers write them, read into the contract's words (docs/protocol.md section 8).

Law: what one of its names says is read or refused; what has another name stays as it is.
"""

from collections.abc import Sequence
from typing import Any, TypeGuard

from relayd.protocol.usage import COST, COUNTS, INPUT, INPUT_CACHED, MAX_USAGE, MODEL, MODELS, OUTPUT, REASONING, TOTAL

__all__ = ["canonical"]

ALIASES = {
    "prompt_tokens": INPUT,
    "promptTokens": INPUT,
    "inputTokens": INPUT,
    "completion_tokens": OUTPUT,
    "completionTokens": OUTPUT,
    "outputTokens": OUTPUT,
    "totalTokens": TOTAL,
    "tokens": TOTAL,
    "cached_tokens": INPUT_CACHED,
    "cachedInputTokens": INPUT_CACHED,
    "reasoningTokens": REASONING,
    "total_cost": COST,
    "totalCost": COST,
    "model_name": MODEL,
    "modelName": MODEL,
}
"""Name by what else it is called, in the order in which they are tried."""

BESIDE = ("cache_read_input_tokens", "cache_creation_input_tokens")
"""Input that some count beside `input_tokens`, not in it: what was read from a cache, and what was written to one."""

DETAILS = {
    "prompt_tokens_details": ("cached_tokens", INPUT_CACHED),
    "input_tokens_details": ("cached_tokens", INPUT_CACHED),
    "completion_tokens_details": ("reasoning_tokens", REASONING),
    "output_tokens_details": ("reasoning_tokens", REASONING),
}
"""Objects in which some tell a part, under which name, and what we call it."""

SUMMED = (*COUNTS, COST)
NAMES = (MODEL, "provider")

TO_READ = frozenset({*ALIASES, *BESIDE, *DETAILS, MODELS})
"""With none of these, a report is as exact as its numbers are."""


def canonical(value: dict[str, Any] | list[Any]) -> dict[str, Any] | None:
    """Return a report, or a list of them, in the words of the contract, the same object if it is; None if it can't."""
    if isinstance(value, list):
        return together({}, value)
    if value.keys().isdisjoint(TO_READ) and None not in value.values():
        return exact(value)
    parts = value.get(MODELS)
    if isinstance(parts, list) and parts and all(isinstance(part, dict) for part in parts):
        return same(value, together(renamed(value), parts))
    return same(value, exact(renamed(value)))


def same(value: dict[str, Any], read: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return what was read, as the object it was read from if nothing changed."""
    return value if read == value else read


def together(around: dict[str, Any], parts: Sequence[object]) -> dict[str, Any] | None:
    """Return reports, one for each model, as one that holds their sums; one alone needs no list."""
    read = [part for part in map(reported, parts) if part is not None]
    if len(read) < len(parts):
        return None
    if len(read) == 1 and MODELS not in around:
        return read[0]
    whole = {name: said for name, said in around.items() if name not in SUMMED}
    for name in SUMMED:
        if said := [part[name] for part in read if name in part]:
            whole[name] = min(MAX_USAGE, sum(said))
    return exact(whole | {MODELS: read} if read else whole)


def reported(part: object) -> dict[str, Any] | None:
    """Return one of several reports, with nothing else in it; None if it can't be read."""
    read = exact(renamed(part)) if isinstance(part, dict) else None
    if read is None:
        return None
    names = {name: read[name] for name in NAMES if isinstance(read.get(name), str)}
    return names | {name: read[name] for name in SUMMED if name in read}


def renamed(value: dict[str, Any]) -> dict[str, Any]:
    """Return a report with our names; null is as good as nothing."""
    read = {name: said for name, said in value.items() if name not in ALIASES and name not in BESIDE}
    for alias, name in ALIASES.items():
        if read.get(name) is None and alias in value:
            read[name] = value[alias]
    for holder, (part, name) in DETAILS.items():
        if read.get(name) is None and isinstance(details := value.get(holder), dict):
            read[name] = details.get(part)
    beside = [value[name] for name in BESIDE if value.get(name) is not None]
    if beside:
        apart = [*beside, read.get(INPUT) or 0]
        # One that is no number makes the whole unreadable, as it would by its own name.
        read[INPUT] = sum(apart) if all(map(is_count, apart)) else -1
        if (cached := value.get(BESIDE[0])) is not None:
            read[INPUT_CACHED] = cached
    return {name: said for name, said in read.items() if said is not None or name not in SUMMED}


def exact(value: dict[str, Any]) -> dict[str, Any] | None:
    """Return a report if its numbers can be summed without end."""
    return value if all(is_exact(name, said) for name, said in value.items()) else None


def is_exact(name: str, said: object) -> bool:
    """Return whether a value is what its name says."""
    if name in COUNTS:
        return is_count(said)
    if name == COST:
        return is_number(said) and 0 <= said <= MAX_USAGE
    return not is_number(said) or -MAX_USAGE <= said <= MAX_USAGE


def is_count(said: object) -> bool:
    """Return whether something is a number of tokens; `5.0` is one."""
    return is_number(said) and 0 <= said <= MAX_USAGE and said == int(said)


def is_number(said: object) -> TypeGuard[int | float]:
    """Return whether something is a number; yes and no are none."""
    return isinstance(said, int | float) and not isinstance(said, bool)
