"""Fields of an event: what is wrong names itself, what is long ends where a word does."""

import pytest

from relayd.dialects.agui.reading import MAIN, SHOWN, agent_of, attached, need, read_event, read_id, shortened
from relayd.dialects.delivery import Reason
from relayd.dialects.native import MAX_EVENT_BYTES
from relayd.dialects.normalise import Misunderstood


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"nonsense", Reason.NOT_JSON),
        (b'{"a":' * 50_000, Reason.NOT_JSON),
        (b"7", Reason.NOT_AN_OBJECT),
        (b" " * (MAX_EVENT_BYTES + 1), Reason.EVENT_TOO_LARGE),
    ],
)
def test_what_is_no_event_is_named(body: bytes, reason: Reason) -> None:
    """By what it is."""
    with pytest.raises(Misunderstood) as caught:
        read_event(body)
    assert reason is caught.value.reason


@pytest.mark.parametrize(("value", "told"), [(None, "missing"), (7, "expected a text, got 7")])
def test_a_field_that_has_to_be_there_says_so(value: object, told: str) -> None:
    """With the name that AG-UI has for it, and for the event."""
    with pytest.raises(Misunderstood, match=f"stepName: {told}; AG-UI's STEP_STARTED has it"):
        need({"type": "STEP_STARTED", "stepName": value}, "stepName")
    assert "" == need({"type": "STEP_STARTED", "stepName": ""}, "stepName")


def test_an_id_has_a_bound() -> None:
    """It is kept; none at all is as good as an empty one."""
    assert ("", "", "7", "x") == tuple(read_id({"messageId": value}, "messageId") for value in (None, "", 7, "x"))
    for value in ("x" * 257, ["x"]):
        with pytest.raises(Misunderstood, match="messageId: expected a text of 1 to 256 characters"):
            read_id({"messageId": value}, "messageId")


def test_the_agent_has_a_name_of_its_own() -> None:
    """Without an id of a subagent's it is the one that runs."""
    assert (MAIN, "s") == (agent_of({}), agent_of({"subagentRunId": "s"}))


def test_a_text_that_is_cut_ends_with_a_word() -> None:
    """Half a secret would not be recognised as one; a text of one long word is not shown at all."""
    assert "x" * SHOWN == shortened("x" * SHOWN)
    secret = "sk-" + "a1" * 20
    words = "word " * (SHOWN // 5 - 1)
    assert f"{words[:-1]}… [cut: {1 + len(secret) + 1} characters more]" == shortened(f"{words}{secret} ")
    assert f"… [cut: {SHOWN + 1} characters more]" == shortened("x" * (SHOWN + 1))
    assert shortened("x " * SHOWN, length=10_000).endswith(f"… [cut: {10_000 - SHOWN + 1} characters more]")


def test_a_value_is_shown_where_it_can_be() -> None:
    """What is deep or large is not."""
    assert {"fields": {"value": {"a": 1}}} == attached("value", {"a": 1})
    assert {} == attached("value", "x" * SHOWN)
    deep: object = 1
    for _ in range(20):
        deep = [deep]
    assert {} == attached("value", deep)
