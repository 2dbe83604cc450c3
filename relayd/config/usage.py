"""The table `[usage]`: what models cost, and what projects are meant to use at most."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from relayd.config.table import Table
from relayd.core.usage import OTHER

__all__ = ["Price", "Usage"]

Money = Annotated[float, Field(ge=0, le=1_000_000)]


def _model(name: str) -> str:
    if name == OTHER:
        raise ValueError(f"{OTHER!r} stands for models that no report names; give the name of one")
    return name


class Price(Table):
    """What a million tokens of a model cost, to the millionth of the currency; its name is what reports say."""

    input: Money = Field(description="Tokens that it reads.")
    output: Money = Field(description="Tokens that it writes.")
    cached_input: Money | None = Field(
        default=None, description="Tokens that it reads out of a cache; without it they cost as much as others."
    )


class Usage(Table):
    """What models cost, and what projects are meant to use at most; it is told, and nobody is stopped."""

    currency: str = Field(
        default="USD",
        min_length=1,
        max_length=8,
        description="Of all prices and budgets, and of the costs that reports name.",
    )
    budget_tokens: int | None = Field(
        default=None,
        ge=1,
        le=2**53,
        description="Tokens that a project may use before everybody is warned, at 80 and at 100 %; one that names a "
        "budget of its own when it starts goes by that.",
    )
    budget_cost: float | None = Field(
        default=None, ge=0.01, le=1_000_000, description="The same in money, as far as it is known what things cost."
    )
    prices: Mapping[Annotated[str, AfterValidator(_model)], Price] = Field(
        default={},
        description='Prices by model: `{ "large-1" = { input = 3, output = 15, cached_input = 0.3 } }`, or a table '
        "each. A cost that a report names itself comes first. They are applied when somebody looks, so new ones hold "
        "for what was used before, too.",
    )
