import pytest

from relayd.client.ending import Dropped, NoUpgrade, WatchEnded, judge_close, judge_status
from relayd.protocol.disconnect import Advice, Disconnect, close_reason


def test_every_row_of_the_table_is_obeyed() -> None:
    """Stop where the table says stop, come back where it says resume or retry."""
    for disconnect in Disconnect:
        ending = judge_close(disconnect.code, close_reason(disconnect, "so it is", 4_000))
        match disconnect.advice:
            case Advice.NONE:
                assert ending is None
            case Advice.STOP | Advice.LOG_IN | Advice.REFRESH:
                assert isinstance(ending, WatchEnded)
                assert disconnect is ending.disconnect
            case Advice.RESUME | Advice.RETRY:
                assert isinstance(ending, Dropped)
                assert ending.retry_after == 4.0


def test_the_sentence_of_the_close_reason_is_told_without_its_wrapping() -> None:
    """A person reads the sentence, not the code and the number around it."""
    ending = judge_close(1012, "RESTARTING: new version; retry_after_ms=250")
    assert str(ending) == "new version"
    assert isinstance(ending, Dropped)
    assert ending.retry_after == 0.25


@pytest.mark.parametrize("code", [None, 1001, 1006, 1011, 4999])
def test_an_unknown_ending_is_worth_coming_back(code: int | None) -> None:
    """Proxies and newer relays close with codes of their own; giving up would be the wrong guess."""
    assert isinstance(judge_close(code, ""), Dropped)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, WatchEnded),(401, WatchEnded), (403, WatchEnded), (404, WatchEnded), (409, WatchEnded), (429, Dropped),
     (500, Dropped), (502, Dropped), (503, Dropped), (504, Dropped),
     (426, NoUpgrade), (200, NoUpgrade), (501, NoUpgrade)],
)  # fmt: skip
def test_a_refused_upgrade_is_judged_by_its_status(status: int, kind: type[Exception]) -> None:
    """Stop, come back, or go on by long poll."""
    assert isinstance(judge_status(status, {}), kind)


def test_retry_after_of_a_refusal_is_kept() -> None:
    """The header overrules the table; a date in it does not confuse anybody."""
    asked = judge_status(503, {"Retry-After": "12"})
    dated = judge_status(503, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"})
    assert isinstance(asked, Dropped)
    assert isinstance(dated, Dropped)
    assert asked.retry_after == 12
    assert dated.retry_after == 5
