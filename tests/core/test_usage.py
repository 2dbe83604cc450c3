from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayd.core.usage import MAX_AGENTS, MAX_MODELS, NANO, OTHER, Book, Spent, Tokens, spend, take_back
from relayd.protocol.messages import MAX_NAME
from relayd.protocol.usage import COUNTS, MAX_USAGE
from tests.protocol.strategies import quick

Said = tuple[str | None, dict[str, Any]]


def booked(*said: Said) -> Book:
    """Return what agents' reports come to."""
    book: Book = {}
    for agent, usage in said:
        spend(book, agent, usage)
    return book


@pytest.mark.parametrize(
    ("usage", "spent"),
    [
        ({"input_tokens": 5, "output_tokens": 2}, {"m": Spent(open=Tokens(input=5, output=2, total=7))}),
        ({"total_tokens": 9, "input_tokens": 5}, {"m": Spent(open=Tokens(input=5, total=9))}),
        # A total that is less than its parts is none.
        ({"total_tokens": 1, "input_tokens": 5}, {"m": Spent(open=Tokens(input=5, total=5))}),
        # So is a whole that is less than its part.
        (
            {"input_tokens": 1, "cached_input_tokens": 5, "reasoning_tokens": 3},
            {"m": Spent(open=Tokens(input=5, cached=5, output=3, reasoning=3, total=8))},
        ),
        ({"input_tokens": 5.0, "cost": 0.25}, {"m": Spent(paid=Tokens(input=5, total=5), cost=NANO // 4)}),
        # Something that is free has a cost: none.
        ({"input_tokens": 5, "cost": 0}, {"m": Spent(paid=Tokens(input=5, total=5))}),
        ({"cost": 2}, {"m": Spent(cost=2 * NANO)}),
        ({"cost": MAX_USAGE}, {"m": Spent(cost=MAX_USAGE)}),
        (
            {
                "input_tokens": 99,
                "models": [{"model": "a", "input_tokens": 1}, 7, {"model": "b", "input_tokens": 2}],
            },
            {"a": Spent(open=Tokens(input=1, total=1)), "b": Spent(open=Tokens(input=2, total=2))},
        ),
        # As a journal may hold it that is older than the reader of reports: what is no number is worth nothing.
        ({"input_tokens": -5, "output_tokens": True, "total_tokens": "many", "cost": -1}, {}),
        ({"input_tokens": 10**400, "models": {}, "cost": [1]}, {}),
        ({"images": 3}, {}),
        ({}, {}),
    ],
)
def test_a_report_is_booked(usage: dict[str, Any], spent: dict[str, Spent]) -> None:
    """Tokens with a cost of their own stand apart from those to which a price may apply."""
    assert ({"coder": spent} if spent else {}) == booked(("coder", {"model": "m", **usage}))


def test_reports_that_name_nobody_are_the_others() -> None:
    """They are part of the sums all the same, as are names that are none."""
    one = {"input_tokens": 1}
    whole = booked((None, one), ("", one), (None, {**one, "model": 5}), (None, {**one, "model": "m" * (MAX_NAME + 1)}))
    assert {OTHER: {OTHER: Spent(open=Tokens(input=4, total=4))}} == whole


def test_agents_and_models_are_bounded() -> None:
    """Those beyond share a place; those that are known go on having their own."""
    agents: Sequence[Said] = [(f"agent {n}", {"input_tokens": 1, "model": "m"}) for n in range(MAX_AGENTS + 3)]
    book = booked((None, {"input_tokens": 1}), *agents, agents[0])
    assert MAX_AGENTS + 1 == len(book)
    assert (2, 3) == (book["agent 0"]["m"].open.total, book[OTHER]["m"].open.total)
    models: Sequence[Said] = [("a", {"input_tokens": 1, "model": f"model {n}"}) for n in range(MAX_MODELS + 3)]
    book = booked(("a", {"input_tokens": 1}), *models, models[0], ("b", models[0][1]), ("b", models[-1][1]))
    assert MAX_MODELS + 1 == len(book["a"])
    assert (2, 1 + 3) == (book["a"]["model 0"].open.total, book["a"][OTHER].open.total)
    assert {"model 0", OTHER} == book["b"].keys()


names = st.sampled_from(["a", "b", None]) | st.text(max_size=3)
numbers = st.integers(0, 10**6)
said = st.tuples(
    names,
    st.fixed_dictionaries({}, optional={**dict.fromkeys(COUNTS, numbers), "cost": st.floats(0, 10), "model": names}),
)
wild = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*COUNTS, "cost", "model"]), inner),
    max_leaves=5,
)


@quick
@given(st.lists(said, max_size=12), st.randoms(use_true_random=False))
def test_the_order_does_not_matter(story: list[Said], chance: Any) -> None:  # noqa: ANN401  # Hypothesis's Random
    """Whole numbers can be summed in any."""
    shuffled = list(story)
    chance.shuffle(shuffled)
    assert booked(*story) == booked(*shuffled)


@quick
@given(st.lists(said, max_size=8), st.lists(said, max_size=8))
def test_what_is_taken_back_was_never_there(story: list[Said], gone: list[Said]) -> None:
    """Not even its names."""
    book = booked(*story, *gone)
    for agent, usage in gone:
        take_back(book, agent, usage)
    assert booked(*story) == book


def test_what_was_never_booked_can_be_taken_back() -> None:
    """A state that is older than its books lacks what its events said."""
    book = booked(("a", {"input_tokens": 1, "model": "m"}))
    for agent, model in (("a", "n"), ("b", "m")):
        take_back(book, agent, {"input_tokens": 9, "model": model})
    assert booked(("a", {"input_tokens": 1, "model": "m"})) == book


@quick
@given(
    st.lists(st.tuples(names, st.dictionaries(st.sampled_from([*COUNTS, "cost", "model", "models"]), wild)), max_size=9)
)
def test_whatever_comes_is_bounded_and_comes_back(story: list[Said]) -> None:
    """Nothing raises, and the journal gives the books back as they were."""
    book = booked(*story, *story)
    assert book == msgspec.json.decode(msgspec.json.encode(book), type=Book)
    for models in book.values():
        for one in models.values():
            assert 0 <= one.cost <= MAX_USAGE
            for tokens in (one.open, one.paid):
                assert all(0 <= number <= MAX_USAGE for number in msgspec.structs.astuple(tokens))
                assert tokens.cached <= tokens.input
                assert tokens.reasoning <= tokens.output


def test_sums_stop_where_numbers_are_no_longer_exact() -> None:
    """However often somebody says the most."""
    most = {"input_tokens": MAX_USAGE, "output_tokens": MAX_USAGE, "cost": MAX_USAGE}
    book = booked(("a", most), ("a", most))
    assert Spent(paid=Tokens(input=MAX_USAGE, output=MAX_USAGE, total=MAX_USAGE), cost=MAX_USAGE) == book["a"][OTHER]
