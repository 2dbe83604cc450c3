from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayd.core.burn import Rate
from relayd.core.project import fold
from relayd.core.snapshot import Snapshot, read
from relayd.core.spending import REASONS, UNIT, Crossing, Level, Price, Reckoning, Share, Terms, crossed, over, shown
from relayd.core.usage import OTHER
from relayd.protocol.messages import Budget, Message, ProjectStarted
from relayd.protocol.usage import COUNTS
from tests.core.words import NOW, PROJECT, line
from tests.protocol.strategies import quick

LARGE = Price(input=3_000_000, output=15_000_000, cached=300_000)
"""3.00, 15.00 and 0.30 for a million."""
TERMS = Terms(prices={"large": LARGE})


def report(agent: str | None = None, **usage: object) -> Message:
    """Return a message with a report."""
    message = line(agent=agent)
    message.usage = usage
    return message


def start(**budget: Any) -> Message:  # noqa: ANN401  # whatever a budget is for
    """Return a start that names a budget."""
    return ProjectStarted(project_id=PROJECT, timestamp=NOW, budget=Budget(**budget))


def folded(*story: Message) -> Snapshot:
    """Return what messages come to."""
    state = Snapshot(project_id=PROJECT)
    for message in story:
        fold(state, message, NOW)
    return state


def test_tokens_cost_what_their_model_costs() -> None:
    """Those out of a cache cost less, and each number is told by agent, by model and in all."""
    told = shown(
        folded(
            report("ada", model="large", input_tokens=1_000, cached_input_tokens=600, output_tokens=10),
            report("bob", model="large", output_tokens=100),
        ),
        TERMS,
        None,
    )
    ada = {
        "input_tokens": 1_000,
        "cached_input_tokens": 600,
        "output_tokens": 10,
        "total_tokens": 1_010,
        "cost": 0.00153,
    }
    assert {"ada": ada, "bob": {"output_tokens": 100, "total_tokens": 100, "cost": 0.0015}} == told["usage_by"][
        "agents"
    ]
    assert {"large": {**ada, "output_tokens": 110, "total_tokens": 1_110, "cost": 0.00303}} == told["usage_by"][
        "models"
    ]
    assert {"tokens": 1_110, "cost": 0.00303, "currency": "USD", "cost_complete": True} == told["spending"]
    assert {"usage_by", "spending"} == told.keys()


def test_a_cost_that_a_report_names_comes_first() -> None:
    """Whoever was billed knows better than a list of prices."""
    told = shown(folded(report(model="large", input_tokens=10**6, cost=0.5)), TERMS, None)
    assert (0.5, True) == (told["spending"]["cost"], told["spending"]["cost_complete"])


def test_what_has_no_price_is_never_left_out_in_silence() -> None:
    """The sum says that it is too low, and by how many tokens."""
    told = shown(
        folded(
            report(model="large", input_tokens=10**6, total_tokens=10**6 + 7),
            report(model="small", input_tokens=5),
            report(total_tokens=3),
        ),
        TERMS,
        None,
    )
    assert {
        "tokens": 10**6 + 15,
        "cost": 3.0,
        "currency": "USD",
        "cost_complete": False,
        "unpriced_tokens": 15,
    } == told["spending"]
    assert 7 == told["usage_by"]["models"]["large"]["unpriced_tokens"]
    assert {"input_tokens": 5, "total_tokens": 5} == told["usage_by"]["models"]["small"]
    assert {"total_tokens": 3} == told["usage_by"]["models"][OTHER]


def test_where_nothing_has_a_price_nothing_has_a_cost() -> None:
    """A cost of 0 would say that it was free."""
    state = folded(report(model="large", input_tokens=5))
    assert {"tokens": 5} == shown(state, Terms(), None)["spending"]
    assert {"tokens": 5, "tokens_per_minute": 2.5} == shown(state, Terms(), Rate(2.5, 0))["spending"]
    free = shown(folded(report(model="large", input_tokens=5, cost=0)), Terms(), None)["spending"]
    assert (0, True) == (free["cost"], free["cost_complete"])


def test_new_prices_hold_for_what_was_used_before() -> None:
    """The state knows what was used, not what it cost then."""
    state = folded(report(model="large", input_tokens=10**6))
    dear = Terms(currency="EUR", prices={"large": Price(input=4 * 10**6, output=0, cached=0)})
    assert (4.0, "EUR") == tuple(shown(state, dear, None)["spending"][name] for name in ("cost", "currency"))


def test_how_fast_it_is_spent_is_told() -> None:
    """Where that is known."""
    state = folded(report(model="large", input_tokens=10**6))
    told = shown(state, TERMS, Rate(1234.56, 2 * UNIT))["spending"]
    assert (1234.6, 2.0) == (told["tokens_per_minute"], told["cost_per_minute"])


def test_a_project_that_used_nothing_is_told_nothing() -> None:
    """Its snapshot is as it was."""
    assert {} == shown(folded(), TERMS, None)
    assert {"budget": {"tokens": {"used": 0, "budget": 100, "share": 0.0}}} == shown(
        folded(start(tokens=100)), TERMS, None
    )


def test_a_budget_is_the_projects_own_else_that_of_all() -> None:
    """Each for itself: who names one of tokens has still that of money."""
    terms = Terms(prices=TERMS.prices, tokens=50, cost=10.0)
    used = report(model="large", input_tokens=10**6)
    assert {
        "tokens": {"used": 10**6, "budget": 50, "share": 20_000.0},
        "cost": {"used": 3.0, "budget": 10.0, "share": 0.3},
    } == shown(folded(used), terms, None)["budget"]
    told = shown(folded(start(tokens=4 * 10**6), used), terms, None)
    assert (0.25, 0.3) == (told["budget"]["tokens"]["share"], told["budget"]["cost"]["share"])
    assert "warnings" not in told
    assert 0.5 == shown(folded(start(cost=6), used), terms, None)["budget"]["cost"]["share"]


def test_the_newest_budget_stands() -> None:
    """What is used goes on over all runs, and so does a budget; a start that names none changes nothing."""
    again = ProjectStarted(project_id=PROJECT, timestamp=NOW)
    state = folded(start(tokens=100), report(total_tokens=90), again)
    assert Share(90, 100) == Level.of(state, TERMS).shares["tokens"]
    fold(state, start(tokens=1_000), NOW)
    assert {"tokens": Share(90, 1_000)} == Level.of(state, TERMS).shares
    fold(state, start(), NOW)
    assert {} == Level.of(state, TERMS).shares


def test_a_budget_that_is_nearly_used_is_a_warning() -> None:
    """Behind those that the project said itself, of which the oldest give way."""
    terms = Terms(cost=2.5, currency="EUR")
    state = folded(start(tokens=1_000), report(total_tokens=800, cost=2.499_999))
    state.warnings = [f"warning {number}" for number in range(10)]
    told = shown(state, terms, None)["warnings"]
    sentences = ["budget: 800 of 1,000 tokens are used (80 %)", "budget: 2.50 of 2.50 EUR are used (99 %)"]
    assert [*state.warnings[2:], *sentences] == told
    assert sentences == over(state, terms)
    assert [] == over(folded(start(tokens=1_001), report(total_tokens=800)), Terms())


@pytest.mark.parametrize(
    ("before", "after", "thresholds"),
    [
        (None, 79, []),
        (None, 80, [80]),
        (0, 79, []),
        (79, 80, [80]),
        (80, 99, []),
        (99, 100, [100]),
        (100, 1_000, []),
        (0, 100, [80, 100]),
        (None, 500, [80, 100]),
    ],
)
def test_a_threshold_is_crossed_by_what_comes_from_below(before: int | None, after: int, thresholds: list[int]) -> None:
    """Not by what comes when it is behind."""
    earlier = {} if before is None else {"tokens": Share(before, 100)}
    assert thresholds == [one.threshold for one in crossed(earlier, {"tokens": Share(after, 100)}, TERMS)]


def test_a_crossing_says_all_about_it() -> None:
    """In words for people, and in numbers."""
    tokens = Crossing("tokens", 80, Share(1_700_000, 2_000_000), "USD")
    assert "tokens_80" == tokens.reason
    assert "budget: 1,700,000 of 2,000,000 tokens are used (85 %)" == tokens.sentence
    assert {
        "what": "tokens",
        "threshold": 80,
        "used": 1_700_000,
        "budget": 2_000_000,
        "share": 0.85,
    } == tokens.plain()
    cost = Crossing("cost", 100, Share(3 * UNIT, 2 * UNIT), "EUR")
    assert "budget: 3.00 of 2.00 EUR are used (150 %)" == cost.sentence
    assert {"what": "cost", "threshold": 100, "used": 3.0, "budget": 2.0, "share": 1.5, "currency": "EUR"} == (
        cost.plain()
    )
    assert {tokens.reason, cost.reason} < set(REASONS)


def test_numbers_that_are_told_are_exact_for_every_reader() -> None:
    """Sums of sums stop where theirs did."""
    story = [report(agent, total_tokens=2**53) for agent in ("ada", "bob")]
    told = shown(folded(*story, report(cost=1)), TERMS, None)
    assert (2**53, 2**53) == (told["spending"]["tokens"], told["spending"]["unpriced_tokens"])


names = st.sampled_from(["large", "small", None, "x"])
numbers = st.integers(0, 10**6)
messages = st.builds(
    lambda agent, usage: report(agent, **usage),
    names,
    st.fixed_dictionaries({}, optional={**dict.fromkeys(COUNTS, numbers), "cost": st.floats(0, 9), "model": names}),
)
starts = st.builds(
    lambda tokens, cost: start(tokens=tokens, cost=cost),
    st.none() | st.integers(1, 10**7),
    st.none() | st.floats(0.01, 100),
)
stories = st.lists(messages, max_size=15)


@quick
@given(stories)
def test_agents_and_models_add_up_to_the_whole(story: Sequence[Message]) -> None:
    """To the last token, and to the smallest part of a cent."""
    reckoning, level = Reckoning.of(folded(*story), TERMS), Level.of(folded(*story), TERMS)
    assert (level.tokens, level.cost) == (reckoning.whole.total, reckoning.whole.cost)
    for parts in (reckoning.agents.values(), reckoning.models.values()):
        for name in ("input", "cached", "output", "reasoning", "total", "cost", "unpriced"):
            assert getattr(reckoning.whole, name) == sum(getattr(part, name) for part in parts)
        assert reckoning.whole.priced == any(part.priced for part in parts)


@quick
@given(stories)
def test_every_token_has_a_cost_or_is_said_to_have_none(story: Sequence[Message]) -> None:
    """Reckoned anew, one report after the other."""
    whole, cost, unpriced = Reckoning.of(folded(*story), TERMS).whole, Fraction(0), 0
    for message in story:
        usage = message.usage or {}
        cached, reasoning = usage.get("cached_input_tokens", 0), usage.get("reasoning_tokens", 0)
        given, left = max(usage.get("input_tokens", 0), cached), max(usage.get("output_tokens", 0), reasoning)
        total = max(given + left, usage.get("total_tokens", 0))
        if "cost" in usage:
            cost += Fraction(round(usage["cost"] * 10**9), 10**9)
        elif usage.get("model") == "large":
            cost += Fraction((given - cached) * 30 + cached * 3 + left * 150, 10**7)
            unpriced += total - given - left
        else:
            unpriced += total
    assert (cost, unpriced) == (Fraction(whole.cost, UNIT), whole.unpriced)


@quick
@given(st.lists(messages | starts, max_size=15), st.data())
def test_a_crossing_is_told_once_however_the_events_are_batched(story: list[Message], data: st.DataObject) -> None:
    """What one batch after the other tells is what all of them come to; a restart in between tells nothing again."""
    own = Terms(prices=TERMS.prices, tokens=10**6, cost=5.0)
    state, told = Snapshot(project_id=PROJECT), list[str]()
    level = Level.of(state, own).shares
    left = list(story)
    while left:
        size = data.draw(st.integers(1, len(left)))
        for message in left[:size]:
            fold(state, message, NOW)
        left = left[size:]
        state = read(msgspec.json.encode(state))
        newer = Level.of(state, own).shares
        told += [one.reason for one in crossed(level, newer, own)]
        level = newer
    if not any(isinstance(message, ProjectStarted) for message in story):
        reached = [f"{what}_{threshold}" for what, share in level.items() for threshold in share.passed()]
        assert sorted(reached) == sorted(told)
    assert {*told} <= {*REASONS}
    assert all(f"{what}_{threshold}" in told for what, share in level.items() for threshold in share.passed())
