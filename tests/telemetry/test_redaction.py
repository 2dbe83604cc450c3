import io
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayd.telemetry.redaction import MARK, TokenFilter, clean, clean_field, escape, redact

JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ1c2VyLTEifQ.c2lnbmF0dXJl-_0"


@pytest.mark.parametrize(
    "text",
    [
        f"GET /ws/admin/agent-swarm/p?token={JWT}&after=0 HTTP/1.1",
        "GET /ws?ticket=abc123 HTTP/1.1",
        "b'bad header rt1.abc123-_'",
        '{"ticket": "rt1.abc123"}',
        "https://login.example/?next=%2Fws%3Ftoken%3Dabc123",
        "GET /ws?TOKEN=abc123",
        "access_token=abc123",
        "Sec-WebSocket-Protocol: relayd.v1, bearer.abc123",
        "Authorization: Bearer abc123",
        "authorization: abc123",
        "{'Authorization': 'Bearer abc123'}",
        '(b"authorization", "Bearer abc123")',
        "Authorization=Basic abc123",
        "the header was Bearer abc123def",
        f"what a client sent: {JWT}",
        f"cut short: {JWT[:40]}",
        f"run together: x{JWT}",
        "ewogICJhbGciOiAiSFMyNTYiCn0.abc123abc123",
        "amqp://relay:abc123@broker/vhost",
    ],
)
def test_a_secret_does_not_get_through(text: str) -> None:
    """However it is spelt, what remains does not open anything."""
    shown = redact(text)
    assert MARK in shown
    assert "abc123" not in shown
    assert JWT[:20] not in shown
    assert "c2lnbmF0dXJl" not in shown


@pytest.mark.parametrize(
    "text",
    [
        "a bearer token is missing",
        "the token expired; log in again",
        "tokens=5 input_tokens=7",
        "relayd.telemetry.observer.TelemetryObserver",
        "amqp://broker:5672/vhost",
        "http://127.0.0.1:8000/v1/public/agent-swarms/projects/p-1/events?after=1.2.3&wait=25",
        "eye, Eyjafjallajokull and ewe",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    """A log that hides too much helps nobody."""
    assert text == redact(text)


def test_what_surrounds_a_secret_stays() -> None:
    """The other parameters still tell what was asked."""
    assert redact("GET /ws?token=abc&after=7 HTTP/1.1") == "GET /ws?token=[redacted]&after=7 HTTP/1.1"


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", min_size=8, max_size=80))
def test_a_token_in_a_query_is_gone_whatever_it_is(token: str) -> None:
    """Opaque tickets have no shape of their own."""
    assert redact(f"/ws?after=1&token={token}&batch=1") == "/ws?after=1&token=[redacted]&batch=1"


@given(st.text())
def test_redacting_twice_changes_nothing(text: str) -> None:
    """A record may pass several filters."""
    assert redact(text) == redact(redact(text))


def test_secrets_are_found_at_any_depth() -> None:
    """In keys, lists, bytes and objects; and what is a number stays one."""
    value = {"a": [{"b": f"?token={JWT}"}, (1, 2.5, None, True)], f"bearer.{JWT}": b"?ticket=abc123"}
    assert clean(value) == {
        "a": [{"b": f"?token={MARK}"}, [1, 2.5, None, True]],
        f"bearer.{MARK}": f"b'?ticket={MARK}'",
    }


def test_what_is_too_deep_is_shown_as_redacted_text() -> None:
    """A producer's nesting does not become our recursion."""
    deep: object = f"?token={JWT}"
    for _ in range(500):
        deep = [deep]
    assert JWT not in str(clean(deep))


@pytest.mark.parametrize("name", ["token", "Ticket", "Authorization", "password"])
def test_a_field_that_is_named_like_a_secret_is_one(name: str) -> None:
    """Its text may have any shape."""
    assert clean_field(name, "hunter2") == MARK
    assert clean({name: "hunter2"}) == {name: MARK}
    assert clean_field("token_id", "hunter2") == "hunter2"


def test_control_characters_are_spelt_out() -> None:
    """Neither terminals nor readers can be fooled by a stranger's text."""
    assert escape("a\x1b[31mb\nc\u202ed\x9b") == r"a\x1b[31mb\nc\u202ed\x9b"
    assert escape("Grüße 🚀") == "Grüße 🚀"


@pytest.fixture
def library() -> tuple[logging.Logger, io.StringIO]:
    """A library's logger with the filter, and a handler that knows nothing of us."""
    log = logging.Logger("library")  # noqa: LOG001 - one that nobody else can meet
    stream = io.StringIO()
    log.addHandler(logging.StreamHandler(stream))
    log.addFilter(TokenFilter())
    return log, stream


def test_the_filter_works_for_handlers_that_know_nothing_of_us(library: tuple[logging.Logger, io.StringIO]) -> None:
    """Message, arguments and exception."""
    log, stream = library
    try:
        raise ValueError(f"bad request line: GET /ws?token={JWT}")
    except ValueError:
        log.exception("%s failed with Authorization: Bearer %s", f"/ws?ticket={JWT}", "abc123")
    shown = stream.getvalue()
    assert shown.startswith(f"/ws?ticket={MARK} failed with Authorization: Bearer {MARK}\n")
    assert f"ValueError: bad request line: GET /ws?token={MARK}" in shown
    assert JWT not in shown
    assert "abc123" not in shown


def test_a_librarys_wrong_format_does_not_raise(library: tuple[logging.Logger, io.StringIO]) -> None:
    """The filter runs outside of logging's own net."""
    log, stream = library
    log.warning("%d viewers", "many")
    assert stream.getvalue() == "'%d viewers' ('many',)\n"
