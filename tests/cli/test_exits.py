import re
from pathlib import Path

import pytest

from relayd.cli.exits import Exit, of_refusal, of_watch
from relayd.client.ending import WatchEnded
from relayd.client.http import Refused
from relayd.protocol.disconnect import Advice, Disconnect


def test_every_ending_that_stops_has_a_status() -> None:
    """A new row in the table of endings must not end a command with success."""
    for disconnect in Disconnect:
        failed = of_watch(WatchEnded(disconnect, "so it is"))
        assert failed.status >= 64
        if disconnect.advice is Advice.LOG_IN:
            assert Exit.NO_PERMISSION is failed.status


@pytest.mark.parametrize(
    ("http", "status"),
    [
        (400, Exit.DATA),
        (401, Exit.NO_PERMISSION),
        (403, Exit.NO_PERMISSION),
        (429, Exit.TEMPORARY),
        (503, Exit.TEMPORARY),
    ],
)
def test_a_refusal_has_a_status(http: int, status: Exit) -> None:
    """Scripts tell a bad token from a busy relay by the exit status."""
    assert status is of_refusal(Refused(http, "", "no")).status


def test_a_refusal_says_when_to_try_again() -> None:
    """Code and time of the answer stand in the sentence."""
    assert str(of_refusal(Refused(429, "RATE_LIMITED", "slow down", 7))) == "slow down (RATE_LIMITED); try again in 7 s"


def test_the_handbook_lists_every_status() -> None:
    """And no other."""
    page = (Path(__file__).parents[2] / "docs" / "operate.md").read_text(encoding="utf-8")
    table = page.partition("\n## Exit codes\n")[2].partition("\n## ")[0]
    listed = {int(code) for row in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE) for code in row.split(", ")}
    assert {int(status) for status in Exit} == listed
