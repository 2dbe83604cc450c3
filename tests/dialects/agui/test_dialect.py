"""AG-UI as it is published: in bodies, in whatever order, twice, without a run, by strangers."""

import json
from typing import Any

import pytest
from ag_ui.core import events
from hypothesis import given
from hypothesis import strategies as st

from relayd.dialects.agui.dialect import NEAR, OWN, AguiDialect
from relayd.dialects.agui.gathering import STRANDS
from relayd.dialects.agui.table import ROWS, SILENT
from relayd.dialects.delivery import Claimant, Delivery, Item, Reason
from relayd.dialects.native import MAX_EVENT_BYTES
from relayd.dialects.settings import AguiSettings
from tests.dialects.agui.sample import EVERY, STARTED, agui, body, delivery, feed, said, short
from tests.protocol.strategies import quick

STEP = events.StepStartedEvent(step_name="plan")
OPEN = events.TextMessageStartEvent(message_id="m", role="assistant")
CLOSE = events.TextMessageEndEvent(message_id="m")
MINE: dict[str, Any] = {"projects": frozenset({"p"})}
"""What came from a worker whose token says the project."""


def adds(text: str) -> events.TextMessageContentEvent:
    """Return a piece of a text."""
    return events.TextMessageContentEvent(message_id="m", delta=text)


def chunk(text: str, **more: Any) -> events.TextMessageChunkEvent:  # noqa: ANN401  # fields of the package's class
    """Return a piece of a text in the short form."""
    return events.TextMessageChunkEvent(delta=text, **more)


@pytest.mark.parametrize("event", EVERY, ids=lambda event: event.type.value)
def test_it_knows_each_event_of_the_package(event: object) -> None:
    """Alone, in an array and as a line."""
    dialect = agui()
    assert isinstance(dialect, Claimant)
    for raw in (
        body(event),
        b" [" + body(event) + b",{}]",
        body(event) + b"\n" + body(event),
        b'{"a":1,' + body(event)[1:],
    ):
        assert dialect.claims(Delivery(offset=1, body=raw, received_at=5.0))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"nonsense",
        b'{"type":"workflow_log","message":"x"}',
        b'{"type":"workflow_log","fields":{"type":"RAW"}}',
        b'{"a":{"type":"CUSTOM"}}',
        b'{"type":["CUSTOM"],"x":{"type":"CUSTOM"}}',
        b'[7,{"type":"CUSTOM"}]',
        b'["type":"CUSTOM"',
        b'{"type":"custom"}',
        b'{"a":"' + b"x" * NEAR + b'","type":"CUSTOM"}',
    ],
)
def test_it_leaves_what_is_another_s(raw: bytes) -> None:
    """The first event's own type says it, and nothing that stands somewhere in it."""
    assert not agui().claims(Delivery(offset=1, body=raw, received_at=5.0))


def test_events_of_one_run_may_come_in_one_body_or_in_many() -> None:
    """In one, the run's beginning says for the others which run it is; in many, whatever comes with each."""
    several = agui()
    run = (OPEN, adds("a "), adds("b"), CLOSE, STEP)
    together = said(agui(), STARTED, *run)
    apart = [message for event in run for message in said(several, event, **MINE)]
    assert short(together[2:]) == short(apart)
    assert {"shop"} == {message.project_id for message in together}
    assert {"p"} == {message.project_id for message in apart}


def test_what_names_no_run_is_rejected_until_it_does() -> None:
    """Alone; the body's other events are told, and one body's run says nothing of the next body's events."""
    dialect = agui()
    items = feed(dialect, STEP, STARTED, STEP)
    assert [Reason.BAD_PROJECT, None, None] == [item.reason for item in items]
    assert body(STEP) == items[0].raw
    (again,) = feed(dialect, STEP, user_id="worker")
    assert Reason.BAD_PROJECT is again.reason


def test_a_user_with_one_run_at_a_time_need_not_name_it() -> None:
    """Where an operator says so."""
    dialect = agui(one_run_per_user=True)
    said(dialect, STARTED, user_id="worker")
    (step,) = said(dialect, STEP, user_id="worker")
    assert "shop" == step.project_id


def test_an_event_s_own_messages_keep_their_places() -> None:
    """A relay that was not there when a text began must not move what comes behind it."""
    knows, new = agui(), agui()
    feed(knows, chunk("hello", message_id="m"), **MINE)
    (told,), (short_of,) = feed(knows, STEP, **MINE), feed(new, STEP, **MINE)
    assert (2, OWN - 1, 1, OWN) == (len(told.messages), told.first, len(short_of.messages), short_of.first)
    assert told.remembers
    assert short_of.messages[0] == told.messages[1]


def test_no_event_ends_more_lines_than_there_are_places_for() -> None:
    """The worst that can come: as many texts as are gathered, and a piece as large as an event may be."""
    dialect = agui()
    for number in range(STRANDS):
        feed(dialect, events.TextMessageContentEvent(message_id=str(number), delta="x"), **MINE)
    words = ("a " + "x" * 4_000) * (MAX_EVENT_BYTES // 4_002 - 1)
    (item,) = feed(dialect, events.TextMessageContentEvent(message_id="more", delta=words), **MINE)
    assert item.reason is None
    assert OWN > len(item.messages) > 100
    assert OWN == item.first + len(item.messages)


def test_a_body_that_comes_twice_is_gathered_once() -> None:
    """A publisher that repeats itself has the same id; nor does a repeat take with it what was gathered meanwhile."""
    dialect = agui()
    run = [("1", chunk("a", message_id="m")), ("1", chunk("a")), ("2", STEP), ("3", chunk("b", message_id="n"))]
    for name, event in run:
        feed(dialect, event, message_id=name, **MINE)
    (repeated,) = feed(dialect, STEP, message_id="2", **MINE)
    assert [("workflow_stage_update", "agent", "running", "plan", "plan")] == short(repeated.messages)
    (told,) = feed(dialect, STEP, message_id="4", **MINE)
    assert "b" == short(told.messages)[0][-1]


def test_events_of_an_array_have_ids_of_their_own() -> None:
    """As in every dialect: the body's, and the number behind it."""
    assert ["m/0", "m/1"] == [item.message_id for item in feed(agui(), STEP, OPEN, message_id="m", **MINE)]
    assert ["m"] == [item.message_id for item in feed(agui(), STEP, message_id="m", **MINE)]
    assert [None] == [item.message_id for item in feed(agui(), STEP, **MINE)]


def test_the_runs_and_bodies_that_are_remembered_are_bounded() -> None:
    """The longest unused is forgotten, and what of it goes on says that its beginning is missing."""
    dialect = AguiDialect(AguiSettings(), runs=2, seen=2)
    for number in range(4):
        feed(dialect, OPEN, adds(f"text {number} "), message_id=str(number), projects=frozenset({f"p{number}"}))
        feed(dialect, adds("x"), projects=frozenset({"p0"}))
    assert (2, 2) == (len(dialect._runs), len(dialect._seen))
    lost, kept = (said(dialect, adds("end"), CLOSE, projects=frozenset({name})) for name in ("p1", "p0"))
    assert ("…end", "text 0 xxxxend") == (short(lost)[0][-1], short(kept)[0][-1])


def test_the_end_of_a_run_ends_its_texts() -> None:
    """Nothing that came is left untold, and nothing of it is remembered."""
    dialect = agui()
    said(dialect, OPEN, adds("half a sent"), **MINE)
    messages = said(dialect, events.RunErrorEvent(message="gone"), **MINE)
    assert ["half a sent", 0, "gone"] == [line[-1] for line in short(messages)]
    assert not dialect._runs


@pytest.mark.parametrize(
    ("raw", "reason", "told"),
    [
        (b"nonsense", Reason.NOT_JSON, "no JSON"),
        (b"7", Reason.NOT_AN_OBJECT, "one JSON object"),
        (b"[1", Reason.NOT_JSON, "can't be told apart"),
        (b"[" + b"1," * 10_000 + b"1]", Reason.NOT_JSON, "or of more than 10000"),
        (b'{"type":"META"}', Reason.UNKNOWN_TYPE, "'META' is no event of AG-UI 1.0; map it by a rule"),
        (b'{"type":7}', Reason.UNKNOWN_TYPE, "type: 7 is no event"),
        (b'{"type":"STEP_STARTED","stepName":7}', Reason.BAD_FIELD, "stepName: expected a text, got 7"),
        (b'{"type":"STEP_STARTED","stepName":""}', Reason.BAD_FIELD, "stage: expected a text of 1 to 256"),
        (b'{"type":"TEXT_MESSAGE_CONTENT","messageId":"m"}', Reason.BAD_FIELD, "delta: missing"),
        (b'{"type":"CUSTOM","name":"x","subagentRunId":[]}', Reason.BAD_FIELD, "subagentRunId: expected a text"),
    ],
)
def test_what_is_wrong_is_named(raw: bytes, reason: Reason, told: str) -> None:
    """With the field as AG-UI calls it, and the mend."""
    (item,) = agui().feed(Delivery(offset=1, body=raw, received_at=5.0, **MINE))
    assert reason is item.reason
    assert told in item.detail
    assert raw == item.raw


def test_a_time_that_is_missing_is_that_of_receipt() -> None:
    """Milliseconds otherwise, as every SDK of AG-UI writes them."""
    opened = events.TextMessageStartEvent(message_id="m", timestamp=1_700_000_000_000)
    ended = events.TextMessageEndEvent(message_id="m", timestamp=1_700_000_001_500)
    _, dated = said(agui(), STEP, opened, adds("x"), ended, **MINE)
    assert 1_700_000_001.5 == dated.timestamp
    assert 5.0 == said(agui(), OPEN, adds("x"), CLOSE, **MINE)[0].timestamp


FIELDS = st.fixed_dictionaries(
    {"type": st.sampled_from([*ROWS, *SILENT, "X"])},
    optional={
        "threadId": st.sampled_from(["t", "u/v", "", 7]),
        "messageId": st.sampled_from(["m", "n", "", 7, None, [], "x" * 300]),
        "toolCallId": st.sampled_from(["c", "", None, {}]),
        "toolCallName": st.sampled_from(["grep", "", None, 7]),
        "delta": st.sampled_from(["x", "y z", "", None, 7, []]),
        "subagentRunId": st.sampled_from(["s", "", None, 7, []]),
        "role": st.sampled_from(["user", None, 7]),
        "timestamp": st.floats() | st.text(max_size=5) | st.integers(),
        "outcome": st.sampled_from([None, {}, {"type": "interrupt"}, {"type": "suspended"}, 7]),
        **{
            name: st.sampled_from(["x", None, 7, {}])
            for name in ("name", "message", "stepName", "activityType", "usage")
        },
    },
)


@quick
@given(st.lists(FIELDS, max_size=10))
def test_whatever_comes_each_event_is_one_item(told: list[dict[str, Any]]) -> None:
    """Messages, silence or a reason; never an exception."""
    raw = json.dumps(told).encode()
    items = agui(reasoning=True, progress="/p").feed(Delivery(offset=1, body=raw, received_at=5.0))
    assert len(told) == len(items)
    assert all(not item.messages or item.reason is None for item in items)
    assert all(item.reason is None or item.detail for item in items)


@quick
@given(st.permutations(EVERY), st.sets(st.integers(0, len(EVERY) - 1)))
def test_in_whatever_order_a_run_comes_its_messages_are_the_same(order: list[events.BaseEvent], lost: set[int]) -> None:
    """But for gathered lines: with some events lost before, each of the others says as many as ever, in its places."""

    def own(items: list[Item]) -> list[int]:
        return [len(item.messages) - (OWN - item.first if item.first else 0) for item in items]

    whole, late = agui(progress="/done"), agui(progress="/done")
    every = [feed(whole, event, **MINE)[0] for event in order]
    kept = [number for number in range(len(EVERY)) if number not in lost]
    some = [feed(late, order[number], **MINE)[0] for number in kept]
    assert all(item.reason is None for item in every)
    assert own([every[number] for number in kept]) == own(some)
    assert len(late._runs) <= 1


def test_a_delivery_is_read_as_the_detector_hands_it_over() -> None:
    """White space around a body is nobody's event."""
    (item,) = agui().feed(Delivery(offset=1, body=b" \n" + delivery(STARTED).body + b"\n", received_at=5.0))
    assert ("project_started",) == short(item.messages)[0]
