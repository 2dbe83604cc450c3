import io
import json
import logging
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from relayd.ports import Observer, Rejected
from relayd.protocol.cursor import Place
from relayd.protocol.disconnect import Disconnect
from relayd.telemetry import logs
from relayd.telemetry.metrics import Metrics
from relayd.telemetry.observer import TelemetryObserver

pytestmark = pytest.mark.usefixtures("own_logging")


class Told:
    """An observer with what it made of it."""

    def __init__(self, level: str = "info") -> None:
        self.stream = io.StringIO()
        logs.configure("json", level, self.stream)
        self.metrics = Metrics(version="1")
        self.observer: Observer = TelemetryObserver(self.metrics, logs.logger())

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def value(self, name: str, **labels: str) -> float:
        for family in text_string_to_metric_families(self.metrics.render()[0].decode()):
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return float(sample.value)
        raise AssertionError(f"{name} {labels} is not exported")


@pytest.fixture
def told(own_logging: None) -> Told:
    """An observer that tells from info on."""
    return Told()


def rejected(reason: str, detail: str = "progress must be a number") -> Rejected:
    """Return an event that was rejected."""
    return Rejected(
        cursor="c1",
        place=Place(0, 1),
        reason=reason,
        detail=detail,
        headers={},
        body=b"{}",
        received_at=1_700_000_000.0,
    )


def test_messages_are_counted_by_type(told: Told) -> None:
    """And the bytes they came in, and no line is written."""
    told.observer.ingested({"workflow_log": 3, "project_started": 1}, 900)
    told.observer.ingested({"workflow_log": 2}, 100)
    assert told.value("relayd_broker_messages_total", type="workflow_log") == 5
    assert told.value("relayd_broker_messages_total", type="project_started") == 1
    assert told.value("relayd_broker_bytes_total") == 1_000
    assert told.lines() == []


def test_repeats_are_counted(told: Told) -> None:
    """One number for all."""
    told.observer.repeated(7)
    assert told.value("relayd_messages_deduplicated_total") == 7


def test_a_flood_of_poison_is_one_line_by_reason(told: Told) -> None:
    """All are counted; the log tells the first of each reason."""
    for _ in range(100):
        told.observer.rejected(rejected("bad_field"))
    told.observer.rejected(rejected("not_json"))
    assert told.value("relayd_messages_rejected_total", reason="bad_field") == 100
    assert [("event_rejected", "bad_field"), ("event_rejected", "not_json")] == [
        (line["event"], line["reason"]) for line in told.lines()
    ]
    assert told.lines()[0]["detail"] == "progress must be a number"


def test_reasons_that_nobody_foresaw_make_one_line(told: Told) -> None:
    """A plug-in dialect's reasons are no more bounded than its author's care."""
    for number in range(100):
        told.observer.rejected(rejected(f"reason-{number}"))
    assert told.value("relayd_messages_rejected_total", reason="other") == 100
    assert len(told.lines()) == 1


def test_a_flush_counts_for_each_viewer(told: Told) -> None:
    """Events and bytes times viewers; the latency once for the group."""
    told.observer.flushed("websocket", viewers=1_000, events=3, nbytes=900, oldest_age=0.02)
    assert told.value("relayd_deliveries_total", transport="websocket") == 3_000
    assert told.value("relayd_delivery_bytes_total", transport="websocket") == 900_000
    assert told.value("relayd_delivery_latency_seconds_count") == 1
    assert told.value("relayd_delivery_latency_seconds_bucket", le="0.025") == 1
    assert told.lines() == []


def test_what_is_replayed_is_counted_apart(told: Told) -> None:
    """The past is no live delivery."""
    told.observer.replayed("sse", events=256, nbytes=70_000)
    assert told.value("relayd_replay_events_total", transport="sse") == 256
    assert told.value("relayd_replay_bytes_total", transport="sse") == 70_000
    assert told.value("relayd_deliveries_total", transport="sse") == 0


def test_a_viewer_that_was_too_slow_is_counted(told: Told) -> None:
    """By transport, and no line: a slow network would make a flood of them."""
    told.observer.fell_behind("sse")
    told.observer.fell_behind("carrier pigeon")
    assert told.value("relayd_fell_behind_total", transport="sse") == 1
    assert told.value("relayd_fell_behind_total", transport="other") == 1
    assert told.lines() == []


def test_an_admission_has_a_duration(told: Told) -> None:
    """And no line above debug: the connection's one line comes at its end."""
    told.observer.admitted("websocket", 0.004)
    assert told.value("relayd_handshake_duration_seconds_bucket", transport="websocket", le="0.005") == 1
    assert told.lines() == []


def test_a_refusal_is_counted_by_ending(told: Told) -> None:
    """And told in a line, without a reason of authentication."""
    told.observer.refused("websocket", Disconnect.TOO_MANY_CONNECTIONS, "user_limit")
    assert told.value("relayd_connections_rejected_total", reason="too_many_connections") == 1
    assert sum(told.value("relayd_auth_failures_total", reason=reason) for reason in ("other", "forbidden")) == 0
    (line,) = told.lines()
    assert ("connection_refused", "too_many_connections") == (line["event"], line["ending"])
    assert line["reason"] == "user_limit"


def test_a_limit_that_was_met_is_counted_by_name(told: Told) -> None:
    """Beside the ending, which several limits share; what is no limit is not counted there."""
    told.observer.refused("sse", Disconnect.OVERLOADED, "project_full")
    told.observer.refused("sse", Disconnect.OVERLOADED, "owner_unknown")
    assert told.value("relayd_limits_met_total", reason="project_full") == 1
    assert told.value("relayd_limits_met_total", reason="other") == 0
    assert told.value("relayd_connections_rejected_total", reason="overloaded") == 2


def test_a_token_that_is_told_to_wait_has_failed_all_the_same(told: Told) -> None:
    """Else an attack would be over in the figures as soon as it is large."""
    told.observer.refused("http", Disconnect.RATE_EXCEEDED, "failed_logins")
    told.observer.refused("http", Disconnect.RATE_EXCEEDED, "rate")
    assert told.value("relayd_auth_failures_total", reason="failed_logins") == 1
    assert told.value("relayd_auth_failures_total", reason="other") == 0
    assert told.value("relayd_limits_met_total", reason="failed_logins") == 1


def test_a_flood_of_requests_is_no_flood_of_lines(told: Told) -> None:
    """Whoever asks too often is counted each time, and named elsewhere."""
    told.observer.refused("http", Disconnect.RATE_EXCEEDED, "rate")
    assert told.value("relayd_limits_met_total", reason="rate") == 1
    assert told.lines() == []


@pytest.mark.parametrize("disconnect", [Disconnect.AUTH_FAILED, Disconnect.TOKEN_EXPIRED, Disconnect.FORBIDDEN])
def test_a_refusal_for_token_or_rights_is_counted_by_reason(told: Told, disconnect: Disconnect) -> None:
    """The stranger is not told which it was; the operator is."""
    told.observer.refused("sse", disconnect, "expired")
    assert told.value("relayd_connections_rejected_total", reason=disconnect.label) == 1
    assert told.value("relayd_auth_failures_total", reason="expired") == 1


def test_a_budget_that_is_nearly_used_is_a_warning(told: Told) -> None:
    """With the project in the line, and never in the metric."""
    told.observer.crossed("tokens_80", {"project_id": "shop", "what": "tokens", "used": 80, "budget": 100})
    told.observer.crossed("euros_80", {})
    assert told.value("relayd_budget_crossings_total", reason="tokens_80") == 1
    assert told.value("relayd_budget_crossings_total", reason="other") == 1
    (line, _) = told.lines()
    assert ("budget_crossed", "warning", "shop", 80) == tuple(
        line[name] for name in ("event", "level", "project_id", "used")
    )


def test_a_connection_ends_in_one_line(told: Told) -> None:
    """Everything about it at once; fields with the observer's names do no harm."""
    told.observer.disconnected({"user": "u", "seconds": 3.5, "code": 1, "event": "x", "self": 2}, Disconnect.STUCK)
    assert told.value("relayd_disconnects_total", reason="stuck") == 1
    (line,) = told.lines()
    assert ("connection_ended", "stuck", 4431, "u", 3.5) == (
        line["event"],
        line["ending"],
        line["code"],
        line["user"],
        line["seconds"],
    )


def test_what_is_taken_from_a_viewer_is_counted_by_ending(told: Told) -> None:
    """With a line, for on a socket with many projects nothing else tells of it."""
    told.observer.withdrawn("websocket", Disconnect.FORBIDDEN)
    told.observer.withdrawn("sse", Disconnect.OVERLOADED)
    assert 1 == told.value("relayd_projects_withdrawn_total", reason="forbidden")
    assert 1 == told.value("relayd_projects_withdrawn_total", reason="overloaded")
    assert [("rights_ended", "websocket", "forbidden"), ("rights_ended", "sse", "overloaded")] == [
        (line["event"], line["transport"], line["ending"]) for line in told.lines()
    ]


def test_questions_of_rights_are_counted_by_outcome(told: Told) -> None:
    """No line for any of them: each viewer costs one again and again."""
    for outcome in ("granted", "timeout", "a stranger's"):
        told.observer.rights_asked(outcome, 0.5)
    for outcome in ("granted", "timeout", "other"):
        assert 1 == told.value("relayd_rights_requests_total", outcome=outcome)
    assert 1.5 == told.value("relayd_rights_request_seconds_sum")
    assert [] == told.lines()


def test_gaps_are_counted_by_cause(told: Told) -> None:
    """A cause that nobody foresaw, too."""
    told.observer.gapped("below_floor")
    told.observer.gapped("moon_phase")
    assert told.value("relayd_gaps_total", cause="below_floor") == 1
    assert told.value("relayd_gaps_total", cause="other") == 1


def test_a_broken_log_is_a_warning(told: Told) -> None:
    """A new log and a hole in it are counted apart."""
    told.observer.broke("recreated")
    told.observer.broke("truncated")
    assert told.value("relayd_stream_epoch_changes_total") == 1
    assert told.value("relayd_stream_truncations_total") == 1
    assert [("warning", "log_broke")] * 2 == [(line["level"], line["event"]) for line in told.lines()]


def test_commits_and_their_failures_are_counted(told: Told) -> None:
    """A failure is told with its reason."""
    told.observer.committed(events=250, seconds=0.003)
    told.observer.journal_failed(OSError(28, "No space left on device"))
    assert told.value("relayd_journal_events_total") == 250
    assert told.value("relayd_journal_commit_seconds_count") == 1
    assert told.value("relayd_journal_errors_total") == 1
    (line,) = told.lines()
    assert ("error", "journal_failed") == (line["level"], line["event"])
    assert "No space left on device" in str(line["reason"])


def test_what_is_noticed_is_a_line(told: Told) -> None:
    """With the level that its field names, else info."""
    told.observer.noticed("source_disconnected", {"level": "warning", "attempt": 2})
    told.observer.noticed("config_reloaded", {"level": "shouting", "event": "x"})
    told.observer.noticed("command_ignored", {"level": "debug"})
    first, second = told.lines()
    assert ("warning", "source_disconnected", 2) == (first["level"], first["event"], first["attempt"])
    assert ("info", "config_reloaded", "x") == (second["level"], second["event"], second["event_"])


def test_a_failure_is_found_by_its_incident(told: Told) -> None:
    """What the viewer is told leads to the traceback in the log; each failure has its own id."""
    incident = told.observer.failed("session", ValueError("boom"))
    assert re.fullmatch(r"[0-9a-f]{8}", incident)
    assert incident != told.observer.failed("session", ValueError("boom"))
    assert told.value("relayd_failures_total") == 2
    line = told.lines()[0]
    assert ("incident_happened", incident, "session") == (line["event"], line["incident"], line["what"])
    assert "ValueError: boom" in str(line["exception"])


def test_a_source_that_comes_and_goes_is_told(told: Told) -> None:
    """Each time, with its cause; only the losses are counted."""
    told.observer.attached("reading relayd.events")
    told.observer.detached("stalled", "nothing came for 30 s")
    told.observer.detached("connection", "no answer in time")
    assert [
        ("source_attached", "info", "reading relayd.events"),
        ("source_detached", "warning", "nothing came for 30 s"),
        ("source_detached", "warning", "no answer in time"),
    ] == [(line["event"], line["level"], line["detail"]) for line in told.lines()]
    assert (1, 1, 0) == tuple(
        told.value("relayd_reconnects_total", cause=cause) for cause in ("stalled", "connection", "missing")
    )


def test_canaries_are_told_when_something_changes(told: Told) -> None:
    """The first that is missing, another cause, and the first that is back; all are counted."""
    told.observer.canary_returned(0.004)
    for _ in range(5):
        told.observer.canary_missed("unconfirmed", "an alarm")
    told.observer.canary_missed("lost", "elsewhere")
    told.observer.canary_returned(7.0)
    told.observer.canary_returned(0.004)
    assert [("canary_missed", "unconfirmed"), ("canary_missed", "lost"), ("canary_returned", None)] == [
        (line["event"], line.get("cause")) for line in told.lines()
    ]
    assert 5 == told.value("relayd_canary_missed_total", cause="unconfirmed")
    assert 2 == told.value("relayd_canary_roundtrip_seconds_bucket", le="5.0")
    assert 3 == told.value("relayd_canary_roundtrip_seconds_count")


def test_a_fault_for_want_of_memory_is_the_last(own_logging: None) -> None:
    """It is told of first, if there is memory for the line; every other fault is one among many."""
    ended: list[int] = []
    stream = io.StringIO()
    logs.configure("json", "info", stream)
    observer = TelemetryObserver(Metrics(version="1"), logs.logger(), out_of_memory=lambda: ended.append(1))
    observer.failed("intake", ValueError("boom"))
    assert [] == ended
    observer.failed("intake", MemoryError())
    assert [1] == ended
    assert "MemoryError" in stream.getvalue()
    stream.close()
    logging.raiseExceptions = False
    try:
        observer.failed("intake", MemoryError())
    finally:
        logging.raiseExceptions = True
    assert [1, 1] == ended
