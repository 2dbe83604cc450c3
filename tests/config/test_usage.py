from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from relayd.config import ConfigError, load
from relayd.config.usage import Price, Usage

FILE = """
[auth]
mode = "disabled"

[source]
use = "rabbitmq"

[usage]
currency = "EUR"
budget_cost = 5

[usage.prices."large-1"]
input = 3
output = 15.5
cached_input = 0.3

[usage.prices]
small = {{ {small} }}
"""


def usage_of(path: Path, small: str, environ: Mapping[str, str] | None = None) -> Usage:
    """Return the table of a file that gives one more price."""
    path.write_text(FILE.format(small=small))
    return load(path, environ or {}, lambda _group, _name: None).usage


def test_prices_are_given_by_model(tmp_path: Path) -> None:
    """In a table of their own, in one line, or in the environment."""
    usage = usage_of(tmp_path / "relayd.toml", "input = 1, output = 2")
    assert {
        "large-1": Price(input=3, output=15.5, cached_input=0.3),
        "small": Price(input=1, output=2),
    } == usage.prices
    assert ("EUR", 5, None) == (usage.currency, usage.budget_cost, usage.budget_tokens)
    environ = {"RELAYD_USAGE__PRICES": '{ "m" = { input = 1, output = 0 } }', "RELAYD_USAGE__BUDGET_TOKENS": "900"}
    usage = usage_of(tmp_path / "relayd.toml", "input = 1, output = 2", environ)
    assert ({"m": Price(input=1, output=0)}, 900) == (usage.prices, usage.budget_tokens)


@pytest.mark.parametrize(
    ("small", "sentence"),
    [
        ("input = 1", "usage.prices.small.output: is required"),
        ("input = -1, output = 1", "usage.prices.small.input: must be greater than or equal to 0, not -1"),
        ("input = 1, output = 1, cached = 1", "usage.prices.small.cached: unknown key; did you mean"),
        ("input = 1, output = 1, cache_input = 1", "did you mean `usage.prices.small.cached_input`?"),
    ],
)
def test_a_wrong_price_names_its_model(tmp_path: Path, small: str, sentence: str) -> None:
    """And what is meant, where that can be told."""
    with pytest.raises(ConfigError) as caught:
        usage_of(tmp_path / "relayd.toml", small)
    (problem,) = caught.value.problems
    assert sentence in problem


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"prices": {"other": {"input": 1, "output": 1}}}, "stands for models that no report names"),
        ({"budget_tokens": 0}, "greater than or equal to 1"),
        ({"budget_cost": 0}, "greater than or equal to 0.01"),
        ({"currency": ""}, "at least 1 character"),
    ],
)
def test_what_can_t_work_is_refused(table: dict[str, Any], said: str) -> None:
    """A budget of nothing would be used up before anything begins."""
    with pytest.raises(ValueError, match=said):
        Usage.model_validate(table)
