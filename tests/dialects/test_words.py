"""The words that producers use."""

from typing import get_args

import pytest

from relayd.dialects.words import ACTIVITIES, AGENT_STATUSES, LEVELS, STAGE_STATUSES, look_up
from relayd.protocol import messages


@pytest.mark.parametrize(
    ("meanings", "exact"),
    [
        (set(LEVELS.values()), messages.Level),
        (set(STAGE_STATUSES.values()), messages.StageStatus),
        ({status for status, _ in AGENT_STATUSES.values()}, messages.Status),
        (set(ACTIVITIES.values()), messages.Activity),
    ],
)
def test_every_word_of_the_contract_can_be_said_and_no_other_comes_out(meanings: set[str], exact: object) -> None:
    """The tables end in exactly the contract's values."""
    assert set(get_args(exact)) == meanings


@pytest.mark.parametrize("words", [LEVELS, STAGE_STATUSES, ACTIVITIES])
def test_the_contract_s_own_words_mean_themselves(words: dict[str, str]) -> None:
    """Nobody who is exact is translated."""
    assert all(words[meaning] == meaning for meaning in words.values())


@pytest.mark.parametrize("text", ["using_tool", "Using-Tool", " USING TOOL "])
def test_a_word_may_be_spelt_in_several_ways(text: str) -> None:
    """Case, blanks, hyphens and underscores make no difference."""
    assert "using_tool" == look_up(ACTIVITIES, text)


@pytest.mark.parametrize("value", ["loud", "", None, 20, True, ["info"], {"level": "info"}])
def test_what_is_no_word_means_nothing(value: object) -> None:
    """Numbers are not guessed: 30 is a warning to one logger and information to another."""
    assert look_up(LEVELS, value) is None
