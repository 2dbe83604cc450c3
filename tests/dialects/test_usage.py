"""A report of what models used is read in whatever words, or refused; never half."""

from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayd.dialects.usage import ALIASES, BESIDE, DETAILS, canonical
from relayd.protocol.usage import COST, COUNTS, INPUT, MAX_USAGE, MODEL, MODELS, TOTAL
from tests.protocol.strategies import quick


@pytest.mark.parametrize(
    ("written", "exact"),
    [
        # The contract's own words, with others beside them that nobody here knows.
        (
            {"input_tokens": 5, "cost": 0.5, "model": "m", "images": 2},
            {"input_tokens": 5, "cost": 0.5, "model": "m", "images": 2},
        ),
        ({"tokens": 7, "model_name": "m", "total_cost": 1}, {"total_tokens": 7, "model": "m", "cost": 1}),
        ({"input_tokens": None, "output_tokens": 2.0, "note": None}, {"output_tokens": 2.0, "note": None}),
        # One name of ours and one of theirs: ours stands.
        ({"input_tokens": 5, "prompt_tokens": 6}, {"input_tokens": 5}),
        ({"input_tokens": None, "prompt_tokens": 6}, {"input_tokens": 6}),
        # As OpenAI writes it.
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 4,
                "total_tokens": 13,
                "prompt_tokens_details": {"cached_tokens": 8},
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
            {
                "input_tokens": 9,
                "output_tokens": 4,
                "total_tokens": 13,
                "cached_input_tokens": 8,
                "reasoning_tokens": 3,
                "prompt_tokens_details": {"cached_tokens": 8},
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
        ),
        # As Anthropic writes it: what came from a cache, or went to one, is not in `input_tokens`.
        (
            {
                "input_tokens": 1,
                "cache_read_input_tokens": 10,
                "cache_creation_input_tokens": 100,
                "output_tokens": 2,
            },
            {"input_tokens": 111, "cached_input_tokens": 10, "output_tokens": 2},
        ),
        ({"cache_creation_input_tokens": 100}, {"input_tokens": 100}),
        ({"input_tokens": 3, "cache_read_input_tokens": None}, {"input_tokens": 3}),
        # As AG-UI writes it: a list, one for each provider and model.
        ([], {}),
        (
            [{"provider": "p", "model": "m", "inputTokens": 9, "cachedInputTokens": 8, "metadata": {"a": 1}}],
            {"provider": "p", "model": "m", "input_tokens": 9, "cached_input_tokens": 8},
        ),
        (
            [
                {"model": "m", "inputTokens": 9, "outputTokens": 1, "totalTokens": 10, "reasoningTokens": 1},
                {"model": "n", "provider": 7, "inputTokens": 1, "cost": 0.25},
            ],
            {
                "input_tokens": 10,
                "output_tokens": 1,
                "total_tokens": 10,
                "reasoning_tokens": 1,
                "cost": 0.25,
                "models": [
                    {"model": "m", "input_tokens": 9, "output_tokens": 1, "total_tokens": 10, "reasoning_tokens": 1},
                    {"model": "n", "input_tokens": 1, "cost": 0.25},
                ],
            },
        ),
        # The sums are those of the parts, whatever stood beside them.
        (
            {"tokens": 1_000, "output_tokens": 3, "images": 2, "models": [{"tokens": 2}]},
            {"total_tokens": 2, "images": 2, "models": [{"total_tokens": 2}]},
        ),
        (
            [{"tokens": MAX_USAGE}, {"tokens": 1}],
            {
                "total_tokens": MAX_USAGE,
                "models": [
                    {"total_tokens": MAX_USAGE},
                    {"total_tokens": 1},
                ],
            },
        ),
        # No reports: an unknown name.
        ({"models": 3}, {"models": 3}),
        ({"models": []}, {"models": []}),
        ({"models": ["m"]}, {"models": ["m"]}),
        ({"prompt_tokens_details": 3}, {"prompt_tokens_details": 3}),
    ],
)
def test_a_report_is_read(written: Any, exact: dict[str, Any]) -> None:  # noqa: ANN401  # whatever a producer writes
    """Whoever passes on what a provider answered need not know our names."""
    read = canonical(written)
    assert exact == read


@pytest.mark.parametrize("bad", [-1, 1.5, True, "7", MAX_USAGE + 1, 10**400, inf, nan, {}, [1]])
def test_what_is_no_number_of_tokens_is_refused(bad: object) -> None:
    """A sum that left it out would be too low, and nobody would know."""
    for name in (*COUNTS, "promptTokens", "tokens"):
        assert canonical({name: bad}) is None
        assert canonical([{"inputTokens": 1}, {name: bad}]) is None
        assert canonical({MODELS: [{name: bad}]}) is None
    for name in BESIDE:
        assert canonical({name: bad}) is None
    for holder, (part, _) in DETAILS.items():
        assert canonical({holder: {part: bad}}) is None


@pytest.mark.parametrize("bad", [-0.01, True, "7", MAX_USAGE + 1, 10**400, inf, nan, {}])
def test_what_is_no_cost_is_refused(bad: object) -> None:
    """The same of money."""
    assert canonical({COST: bad}) is None
    assert canonical([{"total_cost": bad}]) is None


@pytest.mark.parametrize("bad", [-MAX_USAGE - 1, 10**400, nan])
def test_other_numbers_are_bounded(bad: object) -> None:
    """They are summed by name, whatever they mean."""
    assert canonical({"images": bad}) is None
    assert {"images": -2} == canonical({"images": -2})


def test_a_list_holds_reports() -> None:
    """Anything else in it can't be read."""
    assert canonical([{"inputTokens": 1}, 5]) is None


def test_parts_that_stand_beside_the_input_are_bounded_with_it() -> None:
    """Each may be a number while their sum is none."""
    assert canonical({INPUT: MAX_USAGE, BESIDE[1]: 1}) is None


@pytest.mark.parametrize(
    "exact",
    [
        {"input_tokens": 5, "model": "m"},
        {"images": 1, "models": 3},
        {"total_tokens": 3, "models": [{"model": "m", "total_tokens": 3}]},
        {"input_tokens": 9, "cached_input_tokens": 8, "prompt_tokens_details": {"cached_tokens": 8}},
    ],
)
def test_what_is_exact_is_not_copied(exact: dict[str, Any]) -> None:
    """By this the short way knows that there is nothing to read."""
    assert exact is canonical(exact)


known = st.sampled_from(sorted({*ALIASES, *BESIDE, *DETAILS, *COUNTS, COST, MODEL, MODELS, "provider", "images"}))
numbers = st.integers(0, 9) | st.integers(-1, MAX_USAGE) | st.floats() | st.none() | st.booleans() | st.text(max_size=3)
flat = st.dictionaries(known, numbers, max_size=4)
reports = st.dictionaries(known, numbers | flat | st.lists(flat | numbers, max_size=3), max_size=4)


@quick
@given(reports | st.lists(reports | numbers, max_size=3))
def test_what_was_read_is_exact(written: dict[str, Any] | list[Any]) -> None:
    """Read again it stays as it is, so both ways of reading an event give the same; and no name of theirs is left."""
    read = canonical(written)
    if read is not None:
        assert read is canonical(read)
        assert not read.keys() & {*ALIASES, *BESIDE}
        assert all(0 <= read.get(name, 0) <= MAX_USAGE for name in COUNTS)


@quick
@given(st.lists(st.fixed_dictionaries({TOTAL: st.integers(0, 10**6)}), min_size=2, max_size=5))
def test_a_list_is_worth_the_sum_of_its_reports(parts: list[dict[str, Any]]) -> None:
    """Those who sum by name need not look into the list."""
    read = canonical(parts)
    assert read is not None
    assert sum(part[TOTAL] for part in parts) == read[TOTAL]
    assert parts == read[MODELS]
