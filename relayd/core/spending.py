"""
What usage costs, and how much of a budget it is.

Law 1: prices are applied when somebody looks, never when an event comes: so a sum is a function of what was used and of
the prices that hold now, on each relay and after each restart the same.
Law 2: a sum is never too low in silence: tokens that have no price are counted as such.
Law 3: a threshold is crossed by the event behind which more is used than before it, so the log says when.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from relayd.core.burn import Rate
from relayd.core.snapshot import Snapshot
from relayd.core.usage import NANO, Spent
from relayd.protocol.messages import Budget
from relayd.protocol.usage import COST, INPUT, INPUT_CACHED, MAX_USAGE, OUTPUT, REASONING, TOTAL

__all__ = [
    "REASONS",
    "UNIT",
    "Crossing",
    "Level",
    "Price",
    "Reckoning",
    "Share",
    "Terms",
    "crossed",
    "over",
    "shown",
    "warned",
]

UNIT = 10**12
"""Costs are reckoned in so small parts of the currency: a price's sixth digit, for one token, is one of them."""

THRESHOLDS = (80, 100)
"""Percent of a budget."""

WHAT = ("tokens", "cost")
REASONS = tuple(f"{what}_{threshold}" for what in WHAT for threshold in THRESHOLDS)

MAX_WARNINGS = 10

NO_BUDGET = Budget()


class Price(Struct, frozen=True):
    """What a million tokens cost, in millionths of the currency: UNITs for one token."""

    input: int
    output: int
    cached: int


class Terms(Struct, frozen=True, kw_only=True):
    """Prices by model, and the budget of projects that name none."""

    currency: str = "USD"
    prices: Mapping[str, Price] = {}
    tokens: int | None = None
    cost: float | None = None


class Sum(Struct):
    """What some of the models or agents used; `priced` says that something of it has a price."""

    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0
    total: int = 0
    cost: int = 0
    """In UNITs."""
    unpriced: int = 0
    """Tokens of which nobody said what they cost."""
    priced: bool = False

    @classmethod
    def of(cls, spent: Spent, price: Price | None) -> "Sum":
        """Return what one agent used of one model."""
        used, paid = spent.open, spent.paid
        return cls(
            used.input + paid.input,
            used.cached + paid.cached,
            used.output + paid.output,
            used.reasoning + paid.reasoning,
            used.total + paid.total,
            cost_of(spent, price),
            used.total if price is None else used.total - used.input - used.output,
            paid.total > 0 or spent.cost > 0 or (price is not None and used.input + used.output > 0),
        )

    def add(self, other: "Sum") -> None:
        """Add another."""
        self.input += other.input
        self.cached += other.cached
        self.output += other.output
        self.reasoning += other.reasoning
        self.total += other.total
        self.cost += other.cost
        self.unpriced += other.unpriced
        self.priced |= other.priced

    def plain(self) -> dict[str, Any]:
        """Return it as viewers read it; what is 0 is left out, and the cost where nothing has one."""
        counts = {
            INPUT: self.input,
            OUTPUT: self.output,
            TOTAL: self.total,
            INPUT_CACHED: self.cached,
            REASONING: self.reasoning,
        }
        told: dict[str, Any] = {name: min(MAX_USAGE, number) for name, number in counts.items() if number}
        if self.priced:
            told[COST] = self.cost / UNIT
            if self.unpriced:
                told["unpriced_tokens"] = min(MAX_USAGE, self.unpriced)
        return told


class Share(Struct, frozen=True):
    """How much of a budget is used, in tokens or in UNITs."""

    used: int
    budget: int

    def passed(self) -> list[int]:
        """Return the thresholds that are reached."""
        return [threshold for threshold in THRESHOLDS if self.used * 100 >= self.budget * threshold]


class Crossing(Struct, frozen=True):
    """An event by which so many percent of a budget were reached."""

    what: str
    threshold: int
    share: Share
    currency: str

    @property
    def reason(self) -> str:
        """One of REASONS."""
        return f"{self.what}_{self.threshold}"

    @property
    def sentence(self) -> str:
        """What is shown to people."""
        return sentence(self.what, self.share, self.currency)

    def plain(self) -> dict[str, Any]:
        """Return it as viewers read it."""
        told = {"what": self.what, "threshold": self.threshold, **plain(self.what, self.share)}
        return told if self.what == "tokens" else {**told, "currency": self.currency}


class Level(Struct, frozen=True):
    """How much a project has used by now; what is looked at with every batch, and so no more than that."""

    tokens: int
    cost: int
    """In UNITs."""
    shares: dict[str, Share]
    """By what the budget is for; where there is none it is left out."""

    @classmethod
    def of(cls, state: Snapshot, terms: Terms) -> "Level":
        """Return how much that is at these terms."""
        tokens = cost = 0
        prices = terms.prices
        for spent_by in state.spent.values():
            for model, spent in spent_by.items():
                tokens += spent.open.total + spent.paid.total
                cost += cost_of(spent, prices.get(model))
        own = state.allowed or NO_BUDGET
        shares: dict[str, Share] = {}
        if (budget := terms.tokens if own.tokens is None else own.tokens) is not None:
            shares["tokens"] = Share(tokens, budget)
        if (money := terms.cost if own.cost is None else own.cost) is not None:
            shares["cost"] = Share(cost, round(money * UNIT))
        return cls(tokens, cost, shares)


def cost_of(spent: Spent, price: Price | None) -> int:
    """Return what something cost in UNITs, as far as that is known."""
    named = spent.cost * (UNIT // NANO)
    if price is None:
        return named
    used = spent.open
    return named + (used.input - used.cached) * price.input + used.cached * price.cached + used.output * price.output


class Reckoning(Struct, frozen=True):
    """All that a project used, at some prices."""

    whole: Sum
    agents: dict[str, Sum]
    models: dict[str, Sum]

    @classmethod
    def of(cls, state: Snapshot, terms: Terms) -> "Reckoning":
        """Return what a project used by now."""
        whole, agents, models = Sum(), dict[str, Sum](), dict[str, Sum]()
        for agent, spent_by in state.spent.items():
            own = agents[agent] = Sum()
            for model, spent in spent_by.items():
                used = Sum.of(spent, terms.prices.get(model))
                own.add(used)
                models.setdefault(model, Sum()).add(used)
            whole.add(own)
        return cls(whole, agents, models)


def crossed(before: Mapping[str, Share], after: Mapping[str, Share], terms: Terms) -> Iterator[Crossing]:
    """Return the thresholds that lie between two shares, the lower first."""
    for what, share in after.items():
        passed = before[what].passed() if what in before else []
        for threshold in share.passed():
            if threshold not in passed:
                yield Crossing(what, threshold, share, terms.currency)


def shown(state: Snapshot, terms: Terms, rate: Rate | None) -> dict[str, Any]:
    """Return what a snapshot says beside the state itself: `usage_by`, `spending`, `budget`, and more `warnings`."""
    shares = Level.of(state, terms).shares
    told: dict[str, Any] = {}
    if state.spent:
        reckoning = Reckoning.of(state, terms)
        told["usage_by"] = {
            "agents": {name: one.plain() for name, one in reckoning.agents.items()},
            "models": {name: one.plain() for name, one in reckoning.models.items()},
        }
        told["spending"] = spending(reckoning.whole, terms, rate)
    if shares:
        told["budget"] = {what: plain(what, share) for what, share in shares.items()}
    return told | warned(state, terms)


def warned(state: Snapshot, terms: Terms) -> dict[str, Any]:
    """Return `warnings` where a state's own are not all there are."""
    more = over(state, terms)
    return {"warnings": [*state.warnings, *more][-MAX_WARNINGS:]} if more else {}


def over(state: Snapshot, terms: Terms) -> list[str]:
    """Return what is told of budgets that are nearly or wholly used."""
    return sentences(Level.of(state, terms).shares, terms)


def sentences(shares: Mapping[str, Share], terms: Terms) -> list[str]:
    """Return a sentence for each share of which a threshold is reached."""
    return [sentence(what, share, terms.currency) for what, share in shares.items() if share.passed()]


def spending(whole: Sum, terms: Terms, rate: Rate | None) -> dict[str, Any]:
    """Return the sums of a project, and how fast they grow where that can be told."""
    used = whole.plain()
    told: dict[str, Any] = {"tokens": used.get(TOTAL, 0)}
    if rate is not None:
        told["tokens_per_minute"] = round(rate.tokens, 1)
    if whole.priced:
        told |= {COST: used[COST], "currency": terms.currency, "cost_complete": not whole.unpriced}
        if whole.unpriced:
            told["unpriced_tokens"] = used["unpriced_tokens"]
        if rate is not None:
            told["cost_per_minute"] = rate.cost / UNIT
    return told


def plain(what: str, share: Share) -> dict[str, Any]:
    """Return how much of a budget is used, as viewers read it."""
    told = {"used": share.used, "budget": share.budget, "share": round(share.used / share.budget, 4)}
    return told if what == "tokens" else {**told, "used": share.used / UNIT, "budget": share.budget / UNIT}


def sentence(what: str, share: Share, currency: str) -> str:
    """Return how much of a budget is used, as people read it."""
    percent = share.used * 100 // share.budget
    if what == "tokens":
        return f"budget: {share.used:,} of {share.budget:,} tokens are used ({percent} %)"
    return f"budget: {share.used / UNIT:,.2f} of {share.budget / UNIT:,.2f} {currency} are used ({percent} %)"
