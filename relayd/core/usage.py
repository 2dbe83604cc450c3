"""
What models used, as a state keeps it: by agent and model.

Law 1: everything is a whole number, and what is not known is worth nothing; so sums are the same in whatever order and
in whatever batches the reports come, and one that is taken back is gone.
Law 2: nothing raises, whatever stands in a report: a journal may hold what was written before this was read so closely.
"""

from collections.abc import Iterator
from typing import Any, TypeGuard

from msgspec import Struct, field

from relayd.protocol.messages import MAX_NAME
from relayd.protocol.usage import COST, INPUT, INPUT_CACHED, MAX_USAGE, MODEL, MODELS, OUTPUT, REASONING, TOTAL

__all__ = ["MAX_AGENTS", "MAX_MODELS", "NANO", "OTHER", "Book", "Spent", "Tokens", "spend", "take_back"]

MAX_AGENTS = 50
MAX_MODELS = 20

OTHER = "other"
"""Stands for those beyond the bounds, and for those that no report names."""

NANO = 10**9
"""Costs are kept in billionths of the currency."""


class Tokens(Struct, omit_defaults=True):
    """Numbers of tokens."""

    input: int = 0
    cached: int = 0
    """Part of the input."""
    output: int = 0
    reasoning: int = 0
    """Part of the output."""
    total: int = 0

    def add(self, other: "Tokens", sign: int = 1) -> None:
        """Add others, or take them away."""
        # Line by line: this is done for every report, and a loop over names takes three times as long.
        self.input = bounded(self.input + sign * other.input)
        self.cached = bounded(self.cached + sign * other.cached)
        self.output = bounded(self.output + sign * other.output)
        self.reasoning = bounded(self.reasoning + sign * other.reasoning)
        self.total = bounded(self.total + sign * other.total)


class Spent(Struct, omit_defaults=True):
    """What reports said, those with a cost of their own apart: to the others prices apply, when somebody looks."""

    open: Tokens = field(default_factory=Tokens)
    paid: Tokens = field(default_factory=Tokens)
    cost: int = 0
    """Of those that are paid, in billionths."""


Book = dict[str, dict[str, Spent]]
"""By agent, then by model."""

NOTHING = Tokens()


class Report(Struct, frozen=True):
    """What one model used."""

    model: str
    tokens: Tokens
    cost: int | None


def spend(book: Book, agent: str | None, usage: dict[str, Any]) -> None:
    """Add what a message says that its agent's models used."""
    for report in reports(usage):
        enter(place(book, agent, report.model), report, 1)


def take_back(book: Book, agent: str | None, usage: dict[str, Any]) -> None:
    """Take what a message said out again; names that stand for nothing then go, too."""
    for report in reports(usage):
        row, column = where(book, agent, report.model)
        spent = book.get(row, {}).get(column)
        if spent is not None:
            enter(spent, report, -1)
            if spent == Spent():
                del book[row][column]
                if not book[row]:
                    del book[row]


def enter(spent: Spent, report: Report, sign: int) -> None:
    """Add a report, or take it away."""
    if report.cost is None:
        spent.open.add(report.tokens, sign)
    else:
        spent.paid.add(report.tokens, sign)
        spent.cost = bounded(spent.cost + sign * report.cost)


def place(book: Book, agent: str | None, model: str) -> Spent:
    """Return where something is added."""
    row, column = where(book, agent, model)
    return book.setdefault(row, {}).setdefault(column, Spent())


def where(book: Book, agent: str | None, model: str) -> tuple[str, str]:
    """Return under which names something stands; those beyond the bounds share one."""
    row = agent if agent and (agent in book or len(book.keys() - {OTHER}) < MAX_AGENTS) else OTHER
    if model in book.get(row, ()):
        # Mostly, and then nobody needs to be counted.
        return row, model
    known = {name for models in book.values() for name in models} - {OTHER}
    return row, model if model in known or len(known) < MAX_MODELS else OTHER


def reports(usage: dict[str, Any]) -> Iterator[Report]:
    """Return what a report says for each model; nothing where it says nothing that is known here."""
    several = usage.get(MODELS)
    parts = [part for part in several if isinstance(part, dict)] if isinstance(several, list) else []
    for part in parts or [usage]:
        entered, left = count(part.get(INPUT)), count(part.get(OUTPUT))
        cached, reasoning = count(part.get(INPUT_CACHED)), count(part.get(REASONING))
        # A part is never more than its whole, nor are the two together more than the total.
        entered, left = max(entered, cached), max(left, reasoning)
        total = max(bounded(entered + left), count(part.get(TOTAL)))
        tokens = Tokens(input=entered, cached=cached, output=left, reasoning=reasoning, total=total)
        cost = billionths(part.get(COST))
        if tokens != NOTHING or cost:
            yield Report(name_of(part.get(MODEL)), tokens, cost)


def name_of(said: object) -> str:
    """Return a model's name."""
    return said if isinstance(said, str) and 1 <= len(said) <= MAX_NAME else OTHER


def count(said: object) -> int:
    """Return a number of tokens; what is none is 0."""
    return int(said) if is_sum(said) else 0


def billionths(said: object) -> int | None:
    """Return a cost, None where none was said."""
    return bounded(round(said * NANO)) if is_sum(said) else None


def is_sum(said: object) -> TypeGuard[int | float]:
    """Return whether something can be summed."""
    return isinstance(said, int | float) and not isinstance(said, bool) and 0 <= said <= MAX_USAGE


def bounded(number: int) -> int:
    """Return a number that is the same for every reader."""
    return max(0, min(MAX_USAGE, number))
