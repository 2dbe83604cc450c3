"""The words of a usage report (docs/protocol.md section 1): what an event says that its models used."""

__all__ = ["COST", "COUNTS", "INPUT", "INPUT_CACHED", "MAX_USAGE", "MODEL", "MODELS", "OUTPUT", "REASONING", "TOTAL"]

MAX_USAGE = 2**53
"""Numbers stop here: beyond it one is not the same for every reader, nor after the journal."""

INPUT = "input_tokens"
OUTPUT = "output_tokens"
TOTAL = "total_tokens"
INPUT_CACHED = "cached_input_tokens"
"""Part of INPUT."""
REASONING = "reasoning_tokens"
"""Part of OUTPUT."""

COUNTS = (INPUT, OUTPUT, TOTAL, INPUT_CACHED, REASONING)
"""Whole numbers of tokens, none negative."""

COST = "cost"
"""In the relay's currency, not negative."""

MODEL = "model"
MODELS = "models"
"""A list of reports, one for each model, where there are several; the report around it holds their sums."""
