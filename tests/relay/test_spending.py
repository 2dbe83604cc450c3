"""Who watches a project is told what it spends, and once that a budget is nearly or wholly used."""

import asyncio
from typing import Any

from relayd.core.spending import Price, Terms
from relayd.protocol.commands import Selection
from relayd.protocol.messages import Budget, Message, ProjectStarted
from relayd.relay.spending import LIVE_SECONDS, TOLD_SECONDS
from relayd.testing.viewers import FakeWire
from relayd.testing.world import settle
from tests.relay.stage import P, Relay, Watcher, line

TERMS = Terms(prices={"large": Price(input=2_000_000, output=4_000_000, cached=1_000_000)})
"""2.00 and 4.00 for a million."""


def used(tokens: int, text: str = "used", *, project_id: str = P, agent: str | None = None) -> Message:
    """Return a line of log with a report."""
    message = line(text, project_id, agent=agent)
    message.usage = {"model": "large", "input_tokens": tokens}
    return message


def start(project_id: str = P, **budget: Any) -> ProjectStarted:  # noqa: ANN401  # what a budget is for
    """Return a start that names a budget."""
    return ProjectStarted(project_id=project_id, timestamp=1.0, budget=Budget(**budget))


def warned(viewer: Watcher) -> list[dict[str, Any]]:
    """Return the lines of log that are in no log."""
    return [message for message in viewer.of("workflow_log") if message.get("synthetic")]


def budgets(viewer: Watcher) -> list[dict[str, Any]]:
    """Return the notices of a budget."""
    return [notice for notice in viewer.of("notice") if notice["code"] == "BUDGET"]


def figures(viewer: Watcher) -> list[dict[str, Any]]:
    """Return what the notices of what is spent said."""
    return [notice["data"] for notice in viewer.of("notice") if notice["code"] == "SPENDING"]


async def test_everybody_who_watches_is_warned_once_for_each_threshold(relay: Relay) -> None:
    """By a line that all can read, without a place to resume from; modern viewers by a notice with numbers, too."""
    modern, legacy, other = await relay.watches(), await relay.watches(legacy=True), await relay.watches("q")
    relay.says(start(tokens=100))
    for tokens in (79, 1, 19, 1, 1_000):
        relay.says(used(tokens))
    sentences = ["budget: 80 of 100 tokens are used (80 %)", "budget: 100 of 100 tokens are used (100 %)"]
    for viewer in (modern, legacy):
        assert sentences == [one["message"] for one in warned(viewer)]
        (first, _) = warned(viewer)
        assert (P, "warning", "budget", relay.clock.now()) == tuple(
            first[name] for name in ("project_id", "level", "source", "timestamp")
        )
        assert not {"id", "received_at"} & first.keys()
    assert sentences == [one["detail"] for one in budgets(modern)]
    assert {"what": "tokens", "threshold": 80, "used": 80, "budget": 100, "share": 0.8} == budgets(modern)[0]["data"]
    assert [] == budgets(legacy) == budgets(other) == warned(other)
    assert [
        ("tokens_80", {"project_id": P, **budgets(modern)[0]["data"]}),
        ("tokens_100", {"project_id": P, **budgets(modern)[1]["data"]}),
    ] == relay.observer.of("crossed")


async def test_a_budget_that_comes_late_is_crossed_by_coming(relay: Relay) -> None:
    """Whoever names less than is used already is told at once; whoever names more, when that is used."""
    viewer = await relay.watches()
    relay.says(used(90))
    relay.says(start(tokens=100))
    assert [80] == [one["data"]["threshold"] for one in budgets(viewer)]
    relay.says(start(tokens=50))
    assert [80, 100] == [one["data"]["threshold"] for one in budgets(viewer)]
    relay.says(start(tokens=1_000))
    relay.says(used(710))
    assert [100, 50, 1_000] == [one["data"]["budget"] for one in budgets(viewer)]


async def test_who_passes_both_thresholds_at_once_is_told_the_higher(relay: Relay) -> None:
    """Both are counted; tokens and cost are told each for itself."""
    relay.engine.spending.terms = Terms(prices=TERMS.prices, tokens=100, cost=0.01)
    viewer = await relay.watches()
    relay.says(used(4_500))
    assert [("tokens", 100), ("cost", 80)] == [
        (one["data"]["what"], one["data"]["threshold"]) for one in budgets(viewer)
    ]
    assert "budget: 0.01 of 0.01 USD are used (90 %)" == warned(viewer)[1]["message"]
    assert ["tokens_80", "tokens_100", "cost_80"] == [reason for reason, _ in relay.observer.of("crossed")]


async def test_a_warning_comes_behind_what_caused_it(relay: Relay) -> None:
    """As a line of log would."""
    viewer = await relay.watches()
    relay.says(start(tokens=10), used(10, "the last straw"), "later in the same body")
    assert ["the last straw", "later in the same body"] == viewer.texts()[:2]
    assert 1 == len(warned(viewer))


async def test_a_selection_that_lets_no_warning_pass_lets_this_one_not(relay: Relay) -> None:
    """It is a line of log like others; the notice is none."""
    errors = await relay.watches(selection=Selection(level="error"))
    warnings = await relay.watches(selection=Selection(level="warning", types=frozenset({"workflow_log"})))
    relay.says(start(tokens=10), used(10))
    assert (0, 1) == (len(warned(errors)), len(budgets(errors)))
    assert (1, 1) == (len(warned(warnings)), len(budgets(warnings)))


async def test_who_is_just_coming_hears_first_where_it_stands(relay: Relay) -> None:
    """A subscription's first word is its opening, and that tells the budget, too."""
    relay.says(start(tokens=10))
    viewer = await relay.watches(turns=0)
    assert [] == viewer.messages()
    relay.says(used(10))
    await settle()
    assert [] == warned(viewer)
    (opening,) = viewer.of("connection_established")
    assert {"tokens": {"used": 10, "budget": 10, "share": 1.0}} == opening["snapshot"]["budget"]
    assert ["budget: 10 of 10 tokens are used (100 %)"] == opening["snapshot"]["warnings"]


async def test_a_full_buffer_loses_the_warning_and_nothing_else(relay: Relay) -> None:
    """What is in the log comes all the same, when there is room."""
    wire = FakeWire()
    viewer = await relay.watches(wire=wire)
    relay.says(start(tokens=10))
    wire.fill()
    relay.says(used(10, "one"))
    relay.says(used(10, "two"))
    wire.take()
    await settle()
    assert ["one", "two"] == viewer.texts()


async def test_who_is_catching_up_is_warned_as_far_as_there_is_room(relay: Relay) -> None:
    """It was told where it stands, and what caused the warning comes when it has been read up to there."""
    wire = FakeWire()
    viewer = await relay.watches(wire=wire)
    relay.says(start(tokens=10))
    wire.fill()
    relay.says("it falls behind")
    await settle()
    wire.take(10_000)
    relay.says(used(10))
    assert not viewer.subscription.live
    assert 1 == len(warned(viewer)) == len(budgets(viewer))
    wire.take()
    await settle()
    assert ["it falls behind", "used"] == [one["message"] for one in viewer.of("workflow_log") if "id" in one]


async def test_a_legacy_viewer_that_comes_later_is_told_what_is_used_up(relay: Relay) -> None:
    """In a line behind the state; one that comes back with its cursor knows it."""
    relay.says(start(tokens=10), used(9))
    viewer = await relay.watches(legacy=True)
    assert ["budget: 9 of 10 tokens are used (90 %)"] == [one["message"] for one in warned(viewer)]
    relay.says("more")
    again = await viewer.returns(legacy=True)
    assert [] == warned(again)


async def test_a_restart_says_nothing_again() -> None:
    """The event that crosses is in the log before the state; what comes behind it crosses nothing."""
    relay = await Relay.begin()
    relay.says(start(tokens=10), used(9))
    await relay.commits()
    await relay.end()
    later = await Relay.begin(journal=relay.journal)
    await later.past.open(P)
    viewer = await later.watches()
    later.says(used(0), "more")
    assert [] == later.observer.of("crossed")
    later.says(used(1))
    assert ["budget: 10 of 10 tokens are used (100 %)"] == [one["message"] for one in warned(viewer)]
    await later.end()


async def test_of_a_project_whose_past_is_not_known_nothing_is_told(relay: Relay) -> None:
    """What it has used before might have crossed already."""
    relay.says(start(tokens=10))
    relay.log.projects[P].partial = True
    relay.says(used(10))
    assert [] == relay.observer.of("crossed")


async def test_a_project_is_told_how_fast_it_spends(relay: Relay) -> None:
    """Tokens and money a minute; the first report does not count, for nobody knows since when that was used."""
    relay.engine.spending.terms = TERMS
    relay.says(start(tokens=10**7))
    relay.clock.advance(30)
    relay.says(used(1_000_000))
    for _ in range(4):
        relay.clock.advance(30)
        relay.says(used(500))
    spending = relay.engine.spending.shown(relay.log.projects[P], relay.clock)["spending"]
    assert (1_000, 0.002) == (spending["tokens_per_minute"], spending["cost_per_minute"])
    assert (1_002_000, 2.004, True) == (spending["tokens"], spending["cost"], spending["cost_complete"])


async def test_the_figures_are_told_as_they_change(relay: Relay) -> None:
    """In a moment, with all that came until then, so often and no more; to modern viewers, and of what they watch."""
    relay.engine.spending.terms = TERMS
    modern, legacy, other = await relay.watches(), await relay.watches(legacy=True), await relay.watches("q")
    relay.says(start(tokens=10_000))
    for _ in range(10):
        relay.says(used(100, agent="ada"))
        await asyncio.sleep(TOLD_SECONDS / 20)
    assert [] == figures(modern)
    await asyncio.sleep(2 * TOLD_SECONDS)
    (told,) = figures(modern)
    assert {"usage_by", "spending", "budget"} == told.keys()
    assert (1_000, 0.002, 0.1) == (
        told["spending"]["tokens"],
        told["spending"]["cost"],
        told["budget"]["tokens"]["share"],
    )
    assert 1_000 == told["usage_by"]["agents"]["ada"]["total_tokens"]
    relay.says(used(9_000))
    await asyncio.sleep(2 * TOLD_SECONDS)
    assert [1_000, 10_000] == [one["spending"]["tokens"] for one in figures(modern)]
    assert figures(modern)[0].keys() == figures(modern)[1].keys()
    assert [] == figures(legacy) == figures(other)


async def test_where_nobody_watches_nothing_is_told(relay: Relay) -> None:
    """Whoever comes is told all of it at first."""
    relay.says(used(100))
    viewer = await relay.watches()
    assert 100 == viewer.of("connection_established")[0]["snapshot"]["spending"]["tokens"]
    await asyncio.sleep(2 * TOLD_SECONDS)
    assert [] == figures(viewer)


async def test_what_comes_late_says_nothing_of_how_fast(relay: Relay) -> None:
    """A relay that reads an hour's reports in a second would tell sixty times too much."""
    relay.says(used(5))
    relay.clock.advance(60)
    assert "tokens_per_minute" in relay.engine.spending.shown(relay.log.projects[P], relay.clock)["spending"]
    relay.source.connected = False
    relay.clock.advance(LIVE_SECONDS)
    relay.says(used(5_000))
    relay.source.connected = True
    relay.says(used(7))
    assert "tokens_per_minute" not in relay.engine.spending.shown(relay.log.projects[P], relay.clock)["spending"]
    relay.clock.advance(60)
    relay.says(used(60))
    assert 60 == relay.engine.spending.shown(relay.log.projects[P], relay.clock)["spending"]["tokens_per_minute"]


async def test_new_terms_hold_from_now_on(relay: Relay) -> None:
    """A reload crosses nothing; the state says what is used of the new budget."""
    relay.says(used(10))
    relay.engine.spending.terms = Terms(prices=TERMS.prices, tokens=10, cost=0.01)
    relay.says("more", used(0))
    assert [] == relay.observer.of("crossed")
    told = relay.engine.spending.shown(relay.log.projects[P], relay.clock)
    assert (1.0, 0.002) == tuple(told["budget"][what]["share"] for what in ("tokens", "cost"))
