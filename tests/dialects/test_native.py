"""Native events, and whatever is sent in their place."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayd.dialects.bodies import MAX_EVENTS
from relayd.dialects.delivery import Delivery, Dialect, Item, Reason
from relayd.dialects.native import MAX_EVENT_BYTES, STRICT, NativeDialect
from relayd.protocol.codec import encode
from relayd.protocol.messages import DERIVED, TYPES, Event, ProjectProgress, WorkflowLog
from tests.dialects.poison import GOOD, ONE_EVENT, SEVERAL
from tests.protocol.strategies import events, quick

NOW = 1_700_000_000.0


def feed(body: bytes, message_id: str | None = None) -> list[Item]:
    """Return what a body becomes."""
    return NativeDialect().feed(Delivery(offset=7, body=body, received_at=NOW, message_id=message_id))


def progress(number: float = 65) -> ProjectProgress:
    """Return what `poison.GOOD` says."""
    return ProjectProgress(project_id="shop", timestamp=1.0, progress=number, message="x")


def log(**fields: object) -> bytes:
    """Return a line of log that obeys the contract to the letter, and more."""
    return json.dumps(
        {"type": "workflow_log", "project_id": "shop", "timestamp": 1, "level": "info", "message": "x", **fields}
    ).encode()


def test_it_is_a_dialect() -> None:
    """It comes in through the same door as anybody's."""
    dialect: Dialect = NativeDialect(None)
    assert "native" == dialect.name


@quick
@given(st.lists(events, min_size=1, max_size=5), st.sampled_from([b",", b"\n"]))
def test_exact_events_come_out_as_they_are(messages: list[Event], between: bytes) -> None:
    """One item for each, of the public type, in order, with nothing to complain about."""
    body = between.join(map(encode, messages))
    items = feed(b"[" + body + b"]" if between == b"," else body)
    assert [(message,) for message in messages] == [item.messages for item in items]
    assert {None} == {item.reason for item in items}
    assert set(map(type, messages)) == {type(item.messages[0]) for item in items}


@quick
@given(st.binary(max_size=80))
def test_random_bytes_are_items_with_reasons(body: bytes) -> None:
    """Nothing raises, and what is no event says so and keeps its bytes."""
    for item in feed(body):
        assert item.reason is not None
        assert item.detail
        assert item.raw in body


@pytest.mark.parametrize("name", ONE_EVENT)
def test_poison_is_one_item_with_a_reason(name: str) -> None:
    """A body that can't be understood takes one place, keeps its bytes and says why in a sentence."""
    body = ONE_EVENT[name]
    (item,) = feed(body)
    assert item.reason is not None
    assert 0 < len(item.detail) < 400
    # Said as a truth value: to show how ten megabytes differ would take minutes.
    assert item.raw in body
    assert len(body) - len(item.raw) <= len(b" \t\r\n ")


@pytest.mark.parametrize("name", SEVERAL)
def test_poison_costs_its_neighbours_nothing(name: str) -> None:
    """Good events around a broken one are shown."""
    count, body = SEVERAL[name]
    items = feed(body)
    assert count == len(items)
    for item in items:
        assert (item.messages == (progress(),)) == (item.reason is None)
    assert max(0, body.count(GOOD)) == sum(item.reason is None for item in items)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("empty", Reason.NOT_JSON),
        ("blank", Reason.NOT_JSON),
        ("NaN", Reason.NOT_JSON),
        ("deep array in an object", Reason.NOT_JSON),
        ("a text", Reason.NOT_AN_OBJECT),
        ("no fields", Reason.UNKNOWN_TYPE),
        ("another relay", Reason.UNKNOWN_TYPE),
        ("another relay's envelope", Reason.UNKNOWN_TYPE),
        ("another relay's notice", Reason.UNKNOWN_TYPE),
        ("no project", Reason.BAD_PROJECT),
        ("project with a line feed", Reason.BAD_PROJECT),
        ("megabytes in one event", Reason.EVENT_TOO_LARGE),
    ],
)
def test_each_reason_has_its_name(name: str, reason: Reason) -> None:
    """Operators count by reason."""
    (item,) = feed(ONE_EVENT[name])
    assert reason == item.reason


def test_an_empty_array_says_nothing() -> None:
    """No events, no items, no complaint."""
    assert [] == feed(b"[]")


@pytest.mark.parametrize("wrap", [b"%s", b"[%s]"])
def test_an_event_may_be_as_large_as_allowed_and_no_larger(wrap: bytes) -> None:
    """The bound holds for each event, alone or in an array; the one over it costs the others nothing."""
    room = MAX_EVENT_BYTES - len(GOOD) + 1
    fits, larger = GOOD.replace(b"x", b"y" * room), GOOD.replace(b"x", b"y" * (room + 1))
    assert MAX_EVENT_BYTES == len(fits)
    assert [None] == [item.reason for item in feed(wrap % fits)]
    (item,) = feed(wrap % larger)
    assert Reason.EVENT_TOO_LARGE == item.reason
    assert "an event of 262145 bytes; 262144 are the most, send less or several" == item.detail
    assert [None, Reason.EVENT_TOO_LARGE, None] == [
        item.reason for item in feed(b"[" + b",".join([GOOD, larger, GOOD]) + b"]")
    ]


@pytest.mark.parametrize("lines", [False, True])
def test_a_body_may_hold_as_many_events_as_allowed_and_no_more(lines: bool) -> None:
    """Ten thousand are read, one more is one item for the whole body."""

    def body(count: int) -> bytes:
        return b"\n".join([GOOD] * count) if lines else b"[" + b",".join([GOOD] * count) + b"]"

    assert MAX_EVENTS == len(feed(body(MAX_EVENTS)))
    (item,) = feed(body(MAX_EVENTS + 1), "m")
    assert (Reason.TOO_MANY_EVENTS, "m") == (item.reason, item.message_id)
    assert "more than 10000 events in one body; send several bodies" == item.detail


@pytest.mark.parametrize("exact", [True, False])
def test_nobody_speaks_for_the_relay(exact: bool) -> None:
    """Cursor, clock and marks of the relay are never taken from a producer, whichever way the event is read."""
    forged = {"id": "forged", "received_at": 5.0, "synthetic": True, "dialect": "forged"}
    (item,) = feed(log(**forged, **({} if exact else {"extra": 1})))
    (message,) = item.messages
    assert (None, None, False, None) == (message.id, message.received_at, message.synthetic, message.dialect)


@pytest.mark.parametrize("activity", sorted(DERIVED))
def test_nobody_says_of_itself_what_the_clock_tells(activity: str) -> None:
    """An agent that called itself lost would not be; both ways of reading refuse it with the words there are."""
    event = {
        "type": "agent_status_update",
        "project_id": "shop",
        "timestamp": 1,
        "agent": "coder",
        "status": "working",
        "progress": 1,
        "activity": activity,
    }
    for body in (json.dumps(event), json.dumps([event]), json.dumps({**event, "more": 1})):
        (item,) = feed(body.encode())
        assert Reason.BAD_FIELD is item.reason
        assert "thinking, using_tool, waiting_for_human or waiting" in item.detail


def test_what_a_log_says_beyond_the_contract_is_not_skipped() -> None:
    """An exact line with one more field is read the long way, alone and among others."""
    for items in (feed(log(extra=1)), feed(b"[" + log(extra=1) + b"]")):
        (message,) = items[0].messages
        assert isinstance(message, WorkflowLog)
        assert {"extra": 1} == message.fields


def test_usage_in_other_words_is_read_the_long_way() -> None:
    """An object of other names passes for exact by its type, and a list does not: both are told in ours."""
    for usage in ({"prompt_tokens": 5}, [{"inputTokens": 5}]):
        for items in (feed(log(usage=usage)), feed(b"[" + log(usage=usage) + b"]")):
            (message,) = items[0].messages
            assert {"input_tokens": 5} == message.usage


@pytest.mark.parametrize(
    "fields",
    [
        {"usage": {"tokens": 10**400}},
        {"usage": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {}}}}}}}}}},
        {"fields": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {}}}}}}}}}},
    ],
)
def test_an_open_field_is_bounded_on_the_short_way_too(fields: dict[str, object]) -> None:
    """Sums without end and depth without end would break those who come later."""
    for body in (log(**fields), b"[" + log(**fields) + b"]"):
        (item,) = feed(body)
        assert Reason.BAD_FIELD == item.reason


@pytest.mark.parametrize(
    ("body", "message_id", "names"),
    [
        (GOOD, None, [None]),
        (GOOD, "", [None]),
        (GOOD, "m", ["m"]),
        (b"[" + GOOD + b"]", "m", ["m/0"]),
        (b"[" + GOOD + b"," + GOOD + b"]", None, [None, None]),
        (b"[" + GOOD + b",5," + GOOD + b"]", "m", ["m/0", "m/1", "m/2"]),
        (GOOD + b"\n" + GOOD, "m", ["m/0", "m/1"]),
        (log(message_id="own"), "m", ["own"]),
        (log(message_id="own", extra=1), "m", ["own"]),
        (b"[" + log(message_id="own") + b"," + log() + b"]", "m", ["own", "m/1"]),
        (log(message_id=""), "m", ["m"]),
        (log(message_id=5), "m", ["m"]),
        (log(message_id="x" * 257), "m", ["m"]),
        (log(message_id="own", level="loud"), "m", ["own"]),
        (b"", "m", ["m"]),
        (b"[", "m", ["m"]),
    ],
)
def test_each_event_has_a_name_by_which_a_repeat_is_recognised(
    body: bytes, message_id: str | None, names: list[str | None]
) -> None:
    """Its own, else the body's, in an array with the index."""
    items = feed(body, message_id)
    assert names == [item.message_id for item in items]
    assert not any(message.message_id for item in items for message in item.messages)


def test_raw_bytes_are_kept_for_what_is_rejected_only() -> None:
    """Memory is for what can't be read from the message."""
    items = feed(b"[" + GOOD + b", 5 ,{}]")
    assert [b"", b"5", b"{}"] == [item.raw for item in items]


def test_a_byte_order_mark_is_no_part_of_the_event() -> None:
    """Some systems put one in front of every text."""
    assert [(progress(),)] == [item.messages for item in feed(b"\xef\xbb\xbf" + GOOD)]


def test_every_event_has_a_strict_reader() -> None:
    """A new message can't be forgotten on the short way."""
    assert set(TYPES.values()) == set(STRICT.values())


@pytest.mark.parametrize(
    "body",
    [b"[" * 32_000_000, b'{"a":"' + b'\\"' * 16_000_000, b"\n".join([b"{"] * 8_000_000), b"[" + b'"",' * 8_000_000],
    ids=["brackets", "quotes", "lines", "elements"],
)
def test_thirty_megabytes_of_malice_cost_little(body: bytes) -> None:
    """The largest bodies that are let in are dealt with at once; the bound is a hundred times what it takes."""
    begin = time.perf_counter()
    assert [True] == [item.reason is not None for item in feed(body)]
    assert 30 > time.perf_counter() - begin
