"""Celery's events, as its workers send them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayd.dialects.celery import SAYS, CeleryDialect
from relayd.dialects.delivery import Claimant, Delivery, Item, Reason
from relayd.dialects.native import MAX_EVENT_BYTES
from relayd.protocol.messages import Message, ProjectCompleted, ProjectError, ProjectStarted
from tests.protocol.strategies import quick

ROOT, CHILD = "6f0c0f9e-0000-4000-8000-000000000001", "6f0c0f9e-0000-4000-8000-000000000002"
WORKER = "celery@box"


def event(kind: str, uuid: str = ROOT, **fields: Any) -> dict[str, Any]:  # noqa: ANN401  # what a worker may say
    """Return an event of a worker."""
    common = {"hostname": WORKER, "timestamp": 7.0, "utcoffset": 0, "pid": 1, "clock": 1}
    return {"type": kind, "uuid": uuid, **common, **fields}


def delivery(*events: object, exchange: str = "celeryev") -> Delivery:
    """Return one event as a body, several as an array."""
    body = json.dumps(events[0] if len(events) == 1 else events).encode()
    return Delivery(offset=1, body=body, received_at=5.0, exchange=exchange)


def introduced(dialect: CeleryDialect | None = None) -> CeleryDialect:
    """Return a dialect that has seen a root task and one below it."""
    dialect = dialect or CeleryDialect()
    dialect.feed(delivery(event("task-sent", name="shop.build", root_id=ROOT)))
    dialect.feed(delivery(event("task-sent", CHILD, name="shop.test", root_id=ROOT, parent_id=ROOT)))
    return dialect


def said(dialect: CeleryDialect, *events: object) -> list[Message]:
    """Return the messages of a body, of which every event could be read."""
    items = dialect.feed(delivery(*events))
    assert [None] * len(items) == [item.reason for item in items], items
    return [message for item in items for message in item.messages]


def short(messages: list[Message]) -> list[tuple[str, ...]]:
    """Return kinds and what they say, without what all have in common."""
    fields = ("stage", "status", "level", "message", "error", "code", "name")
    return [
        (
            str(message.__struct_config__.tag),
            *[str(value) for name in fields if (value := getattr(message, name, None))],
        )
        for message in messages
    ]


def test_it_knows_its_own_by_the_exchange() -> None:
    """And nothing else."""
    dialect = CeleryDialect()
    assert isinstance(dialect, Claimant)
    assert dialect.claims(delivery(event("task-sent")))
    assert not dialect.claims(delivery(event("task-sent"), exchange="swarm.events"))


def test_a_root_task_is_a_project() -> None:
    """Sent, received, started and done; that it was received after it was sent is no second beginning."""
    dialect = CeleryDialect()
    heard = said(
        dialect,
        event("task-sent", name="shop.build", root_id=ROOT),
        event("task-received", name="shop.build", root_id=ROOT),
        event("task-started"),
        event("task-succeeded", result="'secret'", runtime=1.5),
    )
    assert [
        ("project_started", "shop.build"),
        ("project_progress", "shop.build runs"),
        ("project_completed", "shop.build succeeded"),
    ] == short(heard)
    started, _, completed = heard
    assert isinstance(started, ProjectStarted)
    assert (ROOT, 7.0, WORKER, ROOT, "celery") == (
        started.project_id, started.timestamp, started.agent, started.key, started.dialect,
    )  # fmt: skip
    assert isinstance(completed, ProjectCompleted)
    assert 1.5 == completed.duration_seconds


@pytest.mark.parametrize(
    ("told", "root", "child"),
    [
        (
            event("task-failed", exception="ValueError('x')", traceback="secret"),
            [("project_error", "shop.build: ValueError('x')")],
            [
                ("workflow_stage_update", "shop.test", "failed", "failed"),
                ("workflow_log", "error", "shop.test: ValueError('x')"),
            ],
        ),
        (
            event("task-retried", exception="ValueError('x')"),
            [("workflow_log", "warning", "shop.build is tried again: ValueError('x')")],
            [
                ("workflow_stage_update", "shop.test", "pending", "retrying"),
                ("workflow_log", "warning", "shop.test is tried again: ValueError('x')"),
            ],
        ),
        (
            event("task-rejected", requeue=False),
            [("project_error", "shop.build was rejected", "rejected")],
            [("workflow_stage_update", "shop.test", "failed", "rejected")],
        ),
        (
            event("task-rejected", requeue=True),
            [("workflow_log", "warning", "shop.build was rejected and queued again")],
            [("workflow_stage_update", "shop.test", "pending", "queued again")],
        ),
        (
            event("task-revoked", terminated=True, signum=15, expired=False),
            [("project_error", "shop.build was cancelled", "cancelled")],
            [("workflow_stage_update", "shop.test", "failed", "was cancelled")],
        ),
        (
            event("task-revoked", expired=True),
            [("project_error", "shop.build expired", "cancelled")],
            [("workflow_stage_update", "shop.test", "failed", "expired")],
        ),
        (
            event("task-cancelled"),
            [("project_error", "shop.build was cancelled", "cancelled")],
            [("workflow_stage_update", "shop.test", "failed", "was cancelled")],
        ),
        (
            event("task-started"),
            [("project_progress", "shop.build runs")],
            [("workflow_stage_update", "shop.test", "running", "running")],
        ),
        (
            event("task-succeeded", runtime=0.25),
            [("workflow_log", "info", "shop.build succeeded; still open below it: 1 task")],
            [
                ("workflow_stage_update", "shop.test", "completed", "done in 0.25 s"),
                ("project_completed", "shop.build and 1 task below it are done"),
            ],
        ),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_what_happens_to_a_root_and_to_a_task_below_it(
    told: dict[str, Any], root: list[tuple[str, ...]], child: list[tuple[str, ...]]
) -> None:
    """A child's failure is a stage's, and one that is tried again is none; arguments and results are never told."""
    dialect = introduced()
    assert root == short(said(dialect, told))
    below = said(dialect, {**told, "uuid": CHILD})
    assert child == short(below)
    assert {(ROOT, ROOT, ROOT)} == {(message.project_id, message.root_id, message.parent_id) for message in below}
    assert "secret" not in str(below)


def test_every_event_of_celery_s_is_covered() -> None:
    """All that its documentation lists of a task, and the one that it does not."""
    assert {
        "task-sent", "task-received", "task-started", "task-succeeded", "task-failed", "task-retried", "task-rejected",
        "task-revoked", "task-cancelled",
    } == set(SAYS)  # fmt: skip


def test_events_of_a_worker_say_nothing() -> None:
    """They take their places: a worker belongs to no project."""
    events = [event(kind) for kind in ("worker-online", "worker-heartbeat", "worker-offline")]
    assert [Item(), Item(), Item()] == CeleryDialect().feed(delivery(*events))


def test_a_task_that_was_never_seen_is_rejected_with_the_mend() -> None:
    """Whose project it is can't be said; made up, each would be a project of its own."""
    (item,) = CeleryDialect().feed(delivery(event("task-succeeded")))
    assert Reason.BAD_PROJECT is item.reason
    assert "task_send_sent_event" in item.detail
    assert item.raw


def test_the_longest_unused_task_is_forgotten() -> None:
    """Memory has a bound; one that is still spoken of stays."""
    dialect = introduced(CeleryDialect(tasks=2))
    said(dialect, event("task-started"))
    said(dialect, event("task-sent", "third", name="x"))
    said(dialect, event("task-succeeded"))
    (item,) = dialect.feed(delivery(event("task-started", CHILD)))
    assert Reason.BAD_PROJECT is item.reason


@pytest.mark.parametrize(
    ("body", "reason", "told"),
    [
        (b"nonsense", Reason.NOT_JSON, "no JSON"),
        (b"7", Reason.NOT_AN_OBJECT, "one JSON object"),
        (b'{"type":"task-made-up","uuid":"x"}', Reason.UNKNOWN_TYPE, "'task-made-up' is no event"),
        (b'{"type":7}', Reason.UNKNOWN_TYPE, "7 is no event"),
        (b'{"type":"task-sent"}', Reason.BAD_PROJECT, "uuid: None can't name a project"),
        (b'{"type":"task-sent","uuid":"../x"}', Reason.BAD_PROJECT, "uuid: '../x'"),
        (b'{"a":"' + b"x" * MAX_EVENT_BYTES + b'"}', Reason.EVENT_TOO_LARGE, "are the most"),
        (b"[1", Reason.NOT_JSON, "can't be told apart"),
    ],
)
def test_what_is_wrong_is_named(body: bytes, reason: Reason, told: str) -> None:
    """With the field and the mend."""
    (item,) = CeleryDialect().feed(Delivery(offset=1, body=body, received_at=5.0))
    assert reason is item.reason
    assert told in item.detail


def test_one_bad_event_of_an_array_is_rejected_alone() -> None:
    """Its place stays its own."""
    items = introduced().feed(delivery(event("task-started"), {"type": "x"}, event("task-started", CHILD)))
    assert [None, Reason.UNKNOWN_TYPE, None] == [item.reason for item in items]


@quick
@given(
    st.lists(
        st.fixed_dictionaries(
            {"type": st.sampled_from([*SAYS, "worker-online", "x"]), "uuid": st.sampled_from(["a", "b", "", "/"])},
            optional={
                "root_id": st.sampled_from(["a", "b", None, 7]),
                "name": st.text(max_size=300) | st.none(),
                "timestamp": st.floats() | st.text(max_size=5),
                "runtime": st.floats() | st.text(max_size=5),
                "exception": st.text(max_size=5) | st.integers(),
                "hostname": st.text(max_size=300) | st.none(),
            },
        ),
        max_size=8,
    )
)
def test_whatever_comes_each_event_is_one_item(events: list[dict[str, Any]]) -> None:
    """Messages, silence or a reason; never an exception."""
    dialect = CeleryDialect()
    body = json.dumps(events).encode()
    items = dialect.feed(Delivery(offset=1, body=body, received_at=5.0))
    assert len(events) == len(items)
    assert all(not item.messages or item.reason is None for item in items)


def test_an_error_is_never_without_a_word() -> None:
    """A worker that says no exception has failed all the same."""
    (error,) = said(introduced(), event("task-failed"))
    assert isinstance(error, ProjectError)
    assert "shop.build: failed" == error.error


GROUP = ("a", "b", "c")


def of_group(kind: str, *uuids: str, **fields: Any) -> list[dict[str, Any]]:  # noqa: ANN401  # what a worker may say
    """Return an event of each task of a group."""
    return [event(kind, uuid, **fields) for uuid in uuids or GROUP]


def with_group() -> CeleryDialect:
    """Return a dialect whose root has started a group of three tasks of one name."""
    dialect = CeleryDialect()
    said(dialect, event("task-sent", name="build", root_id=ROOT))
    said(dialect, *of_group("task-sent", name="check", root_id=ROOT, parent_id=ROOT))
    return dialect


def test_a_project_ends_with_the_last_task_behind_its_root() -> None:
    """As in a group or a chain, whose root is done when it has started the others."""
    dialect = with_group()
    assert [("workflow_log", "info", "build succeeded; still open below it: 3 tasks")] == short(
        said(dialect, event("task-succeeded"))
    )
    heard = short(said(dialect, *of_group("task-succeeded")))
    assert [("project_completed", "build and 3 tasks below it are done")] == [
        one for one in heard if one[0].startswith("project")
    ]
    assert ("project_completed", "build and 3 tasks below it are done") == heard[-1]
    assert [("workflow_stage_update", "check", "completed", "3 of 3 done")] == short(
        said(dialect, event("task-succeeded", "c"))
    )


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (event("task-failed", "b", exception="OSError()"), "1 of 3 tasks below build failed: check: OSError()"),
        (event("task-rejected", "b"), "1 of 3 tasks below build failed: check was rejected"),
        (event("task-revoked", "b", expired=True), "1 of 3 tasks below build failed: check expired"),
    ],
    ids=["failed", "rejected", "expired"],
)
def test_who_fails_behind_the_root_fails_the_project(end: dict[str, Any], told: str) -> None:
    """When the last one has ended, and whichever it is: nobody is left to catch it."""
    for others in (["a", "c", "b"], ["b", "c", "a"]):
        dialect = with_group()
        said(dialect, event("task-succeeded"))
        heard = said(dialect, *[end if uuid == "b" else event("task-succeeded", uuid) for uuid in others])
        assert ("project_error", told) == short(heard)[-1]
        assert 1 == sum(isinstance(message, ProjectError | ProjectCompleted) for message in heard)


def test_a_root_that_ends_last_answers_for_all() -> None:
    """It may have caught what failed."""
    dialect = with_group()
    said(dialect, *of_group("task-succeeded", "a", "b"), event("task-failed", "c"))
    assert [("project_completed", "build succeeded")] == short(said(dialect, event("task-succeeded")))
    # What it answered for is not held against one that shows up later.
    said(dialect, event("task-sent", "d", name="deploy", root_id=ROOT, parent_id=ROOT))
    heard = short(said(dialect, event("task-succeeded", "d")))
    assert ("project_completed", "build and 4 tasks below it are done") == heard[-1]
    said(dialect, event("task-sent", "e", name="announce", root_id=ROOT, parent_id=ROOT))
    heard = short(said(dialect, event("task-failed", "e", exception="OSError()")))
    assert ("project_error", "1 of 5 tasks below build failed: announce: OSError()") == heard[-1]


def test_tasks_of_one_name_are_one_stage() -> None:
    """It is as far as all of them are: one that is done does not end it, and one that failed is not forgotten."""
    dialect = with_group()
    course = [
        event("task-received", "a", name="check"),
        *of_group("task-started", "a"),
        *of_group("task-succeeded", "a"),
    ]
    course += [*of_group("task-failed", "b"), *of_group("task-retried", "c"), *of_group("task-succeeded", "c")]
    stages = [one[2:] for one in short(said(dialect, *course)) if one[0] == "workflow_stage_update"]
    assert [
        ("running", "0 of 3 done"),
        ("running", "1 of 3 done"),
        ("running", "1 of 3 done, 1 failed"),
        ("running", "1 of 3 done, 1 failed"),
        ("failed", "2 of 3 done, 1 failed"),
    ] == stages


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("Retry(Retry(...), ConnectionError('busy'), 0)", "ConnectionError('busy')"),
        ("Retry(Retry(...), OSError(2, 'a, b'), 1.5)", "OSError(2, 'a, b')"),
        ("Retry(Retry(...), OSError(), datetime.datetime(2026, 1, 1, 0, 0))", "OSError()"),
        ("Retry('later', None, 0)", "Retry('later', None, 0)"),
    ],
)
def test_the_reason_of_another_try_is_the_exception_that_is_meant(written: str, why: str) -> None:
    """As Celery 5.7 writes it; what is written otherwise stays as it is."""
    (warning,) = said(introduced(), event("task-retried", exception=written))
    assert ("workflow_log", "warning", f"shop.build is tried again: {why}") == short([warning])[0]


def test_a_task_that_shows_up_behind_the_end_of_its_project_begins_it_again() -> None:
    """Its sender and its worker speak over two connections, and the broker takes them as they come."""
    dialect = CeleryDialect()
    said(dialect, event("task-sent", name="build", root_id=ROOT))
    assert [("project_completed", "build succeeded")] == short(said(dialect, event("task-succeeded")))
    assert [
        ("project_started", "build"),
        ("workflow_stage_update", "check", "pending", "queued"),
        ("workflow_stage_update", "check", "pending", "0 of 2 done"),
    ] == short(said(dialect, *of_group("task-sent", "a", "b", name="check", root_id=ROOT, parent_id=ROOT)))
    assert [("workflow_stage_update", "check", "running", "1 of 2 done")] == short(
        said(dialect, event("task-succeeded", "a"))
    )
    heard = short(said(dialect, event("task-failed", "b", exception="OSError()")))
    assert ("project_error", "1 of 2 tasks below build failed: check: OSError()") == heard[-1]
    assert [("project_started", "build")] == short(
        said(dialect, event("task-sent", "c", name="mend", root_id=ROOT, parent_id=ROOT))
    )[:1]
