"""What docs/operate.md says of every limit is what the code does."""

import re
from pathlib import Path

import pytest

from relayd.config import Config
from relayd.config.limits import Limits
from relayd.ports import KEPT_SECONDS
from relayd.presence.once import MOST
from relayd.protocol.disconnect import Disconnect
from relayd.telemetry.catalogue import CATALOGUE, LIMITS_MET
from relayd.telemetry.labels import LIMITS, OTHER

PAGE = (Path(__file__).parents[2] / "docs" / "operate.md").read_text(encoding="utf-8")
TABLE = PAGE.partition("### Every limit")[2].partition("\n\n- ")[0]
ROWS = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in TABLE.splitlines() if "| `" in line]
SETTINGS = [row for row in ROWS if row[1].startswith("`")]

ELSEWHERE = {"pace_per_second", "pace_burst", "tail", "max_tail"}
"""Settings of `[limits]` that nobody is refused for: what comes faster gathers, and a tail is given or is no number."""


@pytest.mark.parametrize("row", SETTINGS, ids=lambda row: str(row[1]))
def test_a_setting_has_the_default_that_is_told(row: tuple[str, ...]) -> None:
    """And there is such a setting."""
    table, _, name = row[1].strip("`").partition(".")
    assert float(row[2]) == getattr(getattr(Config(), table), name)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row[1]))
def test_a_status_and_a_close_code_belong_together(row: tuple[str, ...]) -> None:
    """As the table of endings has them; a close code alone is told to whom is there already."""
    numbers = [int(number) for number in re.findall(r"\b\d{3,4}\b", row[3])]
    statuses = {number for number in numbers if number < 1_000}
    endings = {ending.code: ending.http_status for ending in Disconnect}
    assert {number for number in numbers if number >= 1_000} <= endings.keys()
    if statuses:
        assert statuses >= {endings[number] for number in numbers if number >= 1_000}


def test_every_reason_of_the_metric_is_listed() -> None:
    """And no other."""
    told = {match[1] for row in ROWS if (match := re.fullmatch(r"`(\w+)`", row[4]))}
    assert {*LIMITS} - {OTHER} == told
    assert LIMITS == LIMITS_MET.values


def test_the_other_metrics_are_in_the_catalogue() -> None:
    """With that value of their label."""
    others = [match.groups() for row in ROWS if (match := re.fullmatch(r"`(\w+)\{\w+=\"(\w+)\"\}`", row[4]))]
    known = {(metric.name, value) for metric in CATALOGUE for value in metric.values}
    assert 3 == len(others)
    assert {*others} <= known


def test_what_has_no_setting_is_told_as_it_is() -> None:
    """Tickets are remembered as long as they might come again."""
    (tickets,) = [row for row in ROWS if row not in SETTINGS]
    assert (str(MOST), f"{KEPT_SECONDS:.0f} s") == (tickets[2], tickets[0][-4:])


def test_every_setting_of_the_limits_is_listed() -> None:
    """Whoever adds one says here what is told when it is met."""
    listed = {row[1].strip("`").removeprefix("limits.") for row in ROWS if row[1].startswith("`limits.")}
    assert {*Limits.model_fields} - ELSEWHERE == listed
