"""
What usage costs, and how much of a budget it is.

Law 1: prices are applied when somebody looks, never when an event comes: so a sum is a function of what was used and of
the prices that hold now, on each relay and after each restart the same.
Law 2: a sum is never too low in silence: tokens that have no price are counted as such.
Law 3: a threshold is crossed by the event behind which more is used than before it, so the log says when.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct, field

from relayd.core.burn import Rate
from relayd.core.snapshot import Snapshot
from relayd.core.usage import NANO, Spent, Tokens
from relayd.protocol.usage import COST, INPUT, INPUT_CACHED, OUTPUT, REASONING, TOTAL

__all__ = ["REASONS", "UNIT", "Crossing", "Price", "Reckoning", "Share", "Terms", "crossed", "over", "shown"]

UNIT = 10**12
"""Costs are reckoned in so small parts of the currency: a price's sixth digit, for one token, is one of them."""

THRESHOLDS = (80, 100)
"""Percent of a budget."""

WHAT = ("tokens", "cost")
REASONS = tuple(f"{what}_{threshold}" for what in WHAT for threshold in THRESHOLDS)

MAX_WARNINGS = 10


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

    tokens: Tokens = field(default_factory=Tokens)
    cost: int = 0
    """In UNITs."""
    unpriced: int = 0
    """Tokens of which nobody said what they cost."""
    priced: bool = False

    def add(self, spent: Spent, price: Price | None) -> None:
        """Add what one agent used of one model."""
        used = spent.open
        self.tokens.add(used)
        self.tokens.add(spent.paid)
        self.cost += spent.cost * (UNIT // NANO)
        self.priced |= spent.paid != Tokens() or spent.cost > 0
        if price is None:
            self.unpriced += used.total
        else:
            self.cost += (
                (used.input - used.cached) * price.input + used.cached * price.cached + used.output * price.output
            )
            self.unpriced += used.total - used.input - used.output
            self.priced |= used.input > 0 or used.output > 0

    def plain(self) -> dict[str, Any]:
        """Return it as viewers read it; what is 0 is left out, and the cost where nothing has one."""
        used = self.tokens
        counts = {
            INPUT: used.input,
            OUTPUT: used.output,
            TOTAL: used.total,
            INPUT_CACHED: used.cached,
            REASONING: used.reasoning,
        }
        told: dict[str, Any] = {name: number for name, number in counts.items() if number}
        if self.priced:
            told[COST] = self.cost / UNIT
            if self.unpriced:
                told["unpriced_tokens"] = self.unpriced
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


class Reckoning(Struct, frozen=True):
    """All that a project used, at some prices."""

    whole: Sum
    agents: dict[str, Sum]
    models: dict[str, Sum]
    shares: dict[str, Share]
    """By what the budget is for; where there is none it is left out."""

    @classmethod
    def of(cls, state: Snapshot, terms: Terms) -> "Reckoning":
        """Return what a project used by now."""
        whole, agents, models = Sum(), dict[str, Sum](), dict[str, Sum]()
        for agent, spent_by in state.spent.items():
            for model, spent in spent_by.items():
                price = terms.prices.get(model)
                for one in (whole, agents.setdefault(agent, Sum()), models.setdefault(model, Sum())):
                    one.add(spent, price)
        tokens = terms.tokens if state.allowed is None or state.allowed.tokens is None else state.allowed.tokens
        cost = terms.cost if state.allowed is None or state.allowed.cost is None else state.allowed.cost
        shares = {}
        if tokens is not None:
            shares["tokens"] = Share(whole.tokens.total, tokens)
        if cost is not None:
            shares["cost"] = Share(whole.cost, round(cost * UNIT))
        return cls(whole, agents, models, shares)


def crossed(before: Mapping[str, Share], after: Mapping[str, Share], terms: Terms) -> Iterator[Crossing]:
    """Return the thresholds that lie between two shares, the lower first."""
    for what, share in after.items():
        passed = before[what].passed() if what in before else []
        for threshold in share.passed():
            if threshold not in passed:
                yield Crossing(what, threshold, share, terms.currency)


def shown(state: Snapshot, terms: Terms, rate: Rate | None) -> dict[str, Any]:
    """Return what a snapshot says beside the state itself: `usage_by`, `spending`, `budget`, and more `warnings`."""
    reckoning = Reckoning.of(state, terms)
    told: dict[str, Any] = {}
    if state.spent:
        told["usage_by"] = {
            "agents": {name: one.plain() for name, one in reckoning.agents.items()},
            "models": {name: one.plain() for name, one in reckoning.models.items()},
        }
        told["spending"] = spending(reckoning.whole, terms, rate)
    if reckoning.shares:
        told["budget"] = {what: plain(what, share) for what, share in reckoning.shares.items()}
    if warnings := sentences(reckoning.shares, terms):
        told["warnings"] = [*state.warnings, *warnings][-MAX_WARNINGS:]
    return told


def over(state: Snapshot, terms: Terms) -> list[str]:
    """Return what is told of budgets that are nearly or wholly used."""
    return sentences(Reckoning.of(state, terms).shares, terms)


def sentences(shares: Mapping[str, Share], terms: Terms) -> list[str]:
    """Return a sentence for each share of which a threshold is reached."""
    return [sentence(what, share, terms.currency) for what, share in shares.items() if share.passed()]


def spending(whole: Sum, terms: Terms, rate: Rate | None) -> dict[str, Any]:
    """Return the sums of a project, and how fast they grow where that can be told."""
    told: dict[str, Any] = {"tokens": whole.tokens.total}
    if rate is not None:
        told["tokens_per_minute"] = round(rate.tokens, 1)
    if whole.priced:
        told |= {COST: whole.cost / UNIT, "currency": terms.currency, "cost_complete": not whole.unpriced}
        if whole.unpriced:
            told["unpriced_tokens"] = whole.unpriced
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
