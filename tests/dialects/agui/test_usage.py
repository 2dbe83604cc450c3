"""What a run has used, as one set of numbers."""

import pytest
from ag_ui.core.events import TokenUsage

from relayd.dialects.agui.usage import COUNTS, MOST, total
from relayd.dialects.usage import canonical


def entry(**counts: object) -> dict[str, object]:
    """Return an entry as the package writes it."""
    return TokenUsage.model_validate(counts).model_dump(by_alias=True)


def test_entries_are_summed() -> None:
    """Each count for itself: the parts of a total are no additions to it."""
    entries = [
        entry(model="m", input_tokens=10, output_tokens=4, total_tokens=14, cached_input_tokens=6),
        entry(model="m", input_tokens=1, output_tokens=2, reasoning_tokens=2),
    ]
    assert {
        "input_tokens": 11, "output_tokens": 6, "total_tokens": 17, "reasoning_tokens": 2, "cached_input_tokens": 6,
        "model": "m",
    } == total(entries)  # fmt: skip


def test_a_model_is_named_where_there_is_but_one() -> None:
    """Sums over several are nobody's: then each has a report of its own, whether it says who it is or not."""
    one, two = entry(model="a", input_tokens=1), entry(model="b", input_tokens=1)
    used = {"input_tokens": 1, "total_tokens": 1}
    sums = {"input_tokens": 2, "total_tokens": 2}
    assert {**sums, "model": "a"} == total([one, one])
    assert {**sums, "models": [{"model": "a", **used}, {"model": "b", **used}]} == total([one, two])
    assert {**sums, "models": [{"model": "a", **used}, used]} == total([one, entry(input_tokens=1)])
    assert used == total([one, entry(model="counted nothing")])


def test_what_a_run_used_is_told_by_model() -> None:
    """The reader of all reports takes it as it is, but for counts of one model that it has no name for."""
    usage = total([entry(model="a", input_tokens=1), entry(model="b", output_tokens=2, cache_write_input_tokens=1)])
    parts = [
        {"model": "a", "input_tokens": 1, "total_tokens": 1},
        {"model": "b", "output_tokens": 2, "total_tokens": 2},
    ]
    sums = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3, "cache_write_input_tokens": 1}
    assert {**sums, "models": parts} == canonical(usage or {})


@pytest.mark.parametrize(
    "usage",
    [None, [], {}, "x", [7], [entry(model="labels only")], [{"inputTokens": -1}]],
)
def test_nothing_counted_is_no_usage(usage: object) -> None:
    """Labels alone are none, and what is no count is not counted."""
    assert total(usage) is None


@pytest.mark.parametrize("value", [True, 1.5, "7", MOST + 1, -1, None])
def test_what_is_no_count_is_left_out(value: object) -> None:
    """The others stand."""
    assert {"output_tokens": 3, "total_tokens": 3} == total([{"inputTokens": value, "outputTokens": 3}])


def test_sums_stay_exact() -> None:
    """They end where a number is not the same for every reader any more."""
    assert MOST == (total([{"inputTokens": MOST}, {"inputTokens": MOST}]) or {})["input_tokens"]


def test_every_count_of_the_package_is_known() -> None:
    """A new one in a new version shows here."""
    counts = {field.alias for field in TokenUsage.model_fields.values()} - {"provider", "model"}
    assert counts == set(COUNTS)
