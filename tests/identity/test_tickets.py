import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relayd.identity.tickets import LEEWAY_SECONDS, LONGEST_SECONDS, MAX_TICKET, TICKET_REASONS, TicketSealer
from relayd.ports import KEPT_SECONDS, AuthFailed, Opened
from relayd.telemetry.redaction import MARK, redact
from tests.identity.tokens import NOW, encoded, token

KEY = b"0123456789abcdef0123456789abcdef"
SEALER = TicketSealer(KEY)
ORIGIN = "https://dashboard.example"
TOKENS = st.text(st.characters(max_codepoint=127), max_size=4_096)
NAMES = st.none() | st.text(max_size=128)


def ticket(shown: str | None = None, *, project_id: str | None = "p", origin: str | None = ORIGIN) -> str:
    """Return a good ticket, made at `NOW`."""
    return SEALER.seal(token() if shown is None else shown, project_id=project_id, origin=origin, now=NOW).text


def opened(
    text: str,
    *,
    sealer: TicketSealer = SEALER,
    project_id: str | None = "p",
    origin: str | None = ORIGIN,
    now: float = NOW,
) -> Opened:
    """Return what is in a ticket."""
    return sealer.open(text, project_id=project_id, origin=origin, now=now)


def refusal(text: str, **how: object) -> str:
    """Return why a ticket is refused."""
    with pytest.raises(AuthFailed) as caught:
        opened(text, **how)  # type: ignore[arg-type]  # what `opened` takes
    assert caught.value.reason in TICKET_REASONS
    return caught.value.reason


# No deadline, here and below: on a busy machine a slow example is no finding.
@settings(deadline=None)
@given(TOKENS, NAMES, NAMES)
def test_what_is_sealed_comes_out(shown: str, project_id: str | None, origin: str | None) -> None:
    """To the letter, for the project and the origin that it was sealed for, and it fits into an address."""
    sealed = SEALER.seal(shown, project_id=project_id, origin=origin, now=NOW)

    assert shown == opened(sealed.text, project_id=project_id, origin=origin).token
    assert NOW + LONGEST_SECONDS == sealed.expires_at
    assert re.fullmatch(r"rt1\.[A-Za-z0-9_-]+", sealed.text)
    assert MARK == redact(sealed.text)
    assert len(sealed.text) < MAX_TICKET


@settings(deadline=None)
@given(st.data())
def test_no_bit_can_be_flipped(data: st.DataObject) -> None:
    """In the text as it stands in an address; also not where the bit says nothing."""
    text = ticket(data.draw(TOKENS))
    place, bit = data.draw(st.integers(0, len(text) - 1)), data.draw(st.integers(0, 6))
    flipped = f"{text[:place]}{chr(ord(text[place]) ^ 1 << bit)}{text[place + 1 :]}"

    assert refusal(flipped) in {"ticket_malformed", "ticket_seal"}


@settings(deadline=None)
@given(st.data())
def test_nothing_can_be_left_out_or_added(data: st.DataObject) -> None:
    """A part of a ticket, or a ticket with something at its end, is none."""
    text = ticket()
    cut, more = text[: data.draw(st.integers(0, len(text) - 1))], data.draw(st.text(min_size=1, max_size=9))

    for bad in (cut, text + more, more + text):
        assert refusal(bad) in {"ticket_malformed", "ticket_seal"}


@settings(deadline=None)
@given(
    st.text() | st.binary(max_size=200).map(encoded) | st.binary(max_size=200).map(lambda data: f"rt1.{encoded(data)}")
)
def test_any_text_is_refused(text: str) -> None:
    """With the named error, whatever a stranger sends."""
    assert refusal(text) in {"ticket_malformed", "ticket_seal"}


@pytest.mark.parametrize("end", ["=", "==", "\n", " ", "%3D", "é", "\udc80"])
def test_a_ticket_has_one_spelling(end: str) -> None:
    """What kind readers of base64 pass over is a change, too."""
    assert "ticket_malformed" == refusal(ticket() + end)


def test_a_long_text_is_not_read() -> None:
    """It is measured before anything of it is understood."""
    assert "ticket_malformed" == refusal("rt1." + "A" * (MAX_TICKET - 3))
    assert "ticket_seal" == refusal("rt1." + "A" * (MAX_TICKET - 4))


def test_nobody_can_read_the_token() -> None:
    """Nor see that two tickets are one token's, or two relays' of one key."""
    shown = token()
    several = {ticket(shown) for _ in range(100)}

    assert 100 == len(several)
    assert 100 == len({opened(text).name for text in several})
    assert 100 == len({text[34:64] for text in several})
    assert not any(part in text for text in several for part in shown.split("."))


def test_another_key_opens_nothing() -> None:
    """One that is longer or shorter by a byte is another one."""
    for key in (b"x" * 32, KEY + b"x", KEY[:-1]):
        assert "ticket_seal" == refusal(ticket(), sealer=TicketSealer(key))
    assert token() == opened(ticket(), sealer=TicketSealer(KEY)).token


@pytest.mark.parametrize(("seconds", "good"), [(0, True), (29.9, True), (30, False), (31, False), (1e9, False)])
def test_a_ticket_grows_old(seconds: float, good: bool) -> None:
    """By the clock of whoever opens it."""
    if good:
        assert token() == opened(ticket(), now=NOW + seconds).token
    else:
        assert "ticket_expired" == refusal(ticket(), now=NOW + seconds)


def test_a_ticket_that_was_made_elsewhere() -> None:
    """Relays that share a key are of one version for most of the time: what one has sealed another one opens."""
    text = (
        "rt1.Uk1UHApHaaq-QZQtrYtho-VBlyC3pvCkdVn-T5tcnyW3Llm5oJkOoKi1t1-_"
        "DsLb4FplnKtSxlVrjev2YqK_p_-i6ZcBj7FDkvrxh4sEU6Vk9DmaaqZahA"
    )

    assert "a.good.token" == opened(text, project_id="shop-1").token


def test_a_ticket_may_live_for_less() -> None:
    """As the operator wants it."""
    short = TicketSealer(KEY, seconds=2)
    sealed = short.seal(token(), project_id="p", origin=ORIGIN, now=NOW)

    assert NOW + 2 == sealed.expires_at
    assert token() == opened(sealed.text, now=NOW + 1.9).token
    assert "ticket_expired" == refusal(sealed.text, now=NOW + 2)


def test_a_ticket_of_the_future_is_none() -> None:
    """A relay whose clock is ahead by seconds is forgiven; else a ticket could outlive the memory of its use."""
    assert token() == opened(ticket(), now=NOW - LEEWAY_SECONDS).token
    assert "ticket_expired" == refusal(ticket(), now=NOW - LEEWAY_SECONDS - 0.1)
    assert 2 * (LONGEST_SECONDS + LEEWAY_SECONDS) <= KEPT_SECONDS


@pytest.mark.parametrize(
    ("project_id", "origin"),
    [("q", ORIGIN), (None, ORIGIN), ("p", "https://evil.example"), ("p", None), ("p", ORIGIN.upper()), ("P", ORIGIN)],
)
def test_a_ticket_is_for_one_project_and_one_page(project_id: str | None, origin: str | None) -> None:
    """Neither for another one, nor for the socket of many."""
    assert "ticket_foreign" == refusal(ticket(), project_id=project_id, origin=origin)
    assert "ticket_foreign" == refusal(ticket(project_id=None, origin=None))


@pytest.mark.parametrize("shown", ["a" * 4_097, "é", "\udc80"])
def test_what_can_be_no_token_is_not_sealed(shown: str) -> None:
    """Where everybody is let in, whatever a header holds arrives here."""
    with pytest.raises(AuthFailed, match="malformed"):
        ticket(shown)
