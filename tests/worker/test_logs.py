import logging
from collections.abc import Mapping
from typing import Any

import structlog

from relayd.dialects.delivery import Delivery
from relayd.dialects.native import NativeDialect
from relayd.worker.logs import SwarmHandler, SwarmProcessor
from relayd.worker.publisher import encoded


class Emitted(list[Mapping[str, Any]]):
    """Keeps what is emitted, and holds each to the contract."""

    def emit_soon(self, event: Mapping[str, Any]) -> None:
        (item,) = NativeDialect().feed(Delivery(offset=1, body=encoded(event), received_at=1.0))
        assert item.reason is None, item.detail
        self.append(event)


def test_records_become_lines_of_the_project() -> None:
    """With level, source and whose they are."""
    emitted = Emitted()
    log = logging.getLogger("shop")
    log.setLevel(logging.DEBUG)
    log.addHandler(SwarmHandler(emitted, "p", agent="coder"))
    log.propagate = False
    log.debug("hidden in %s", "plain sight")
    log.warning("careful", extra={"agent": "tester"})
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        log.exception("broken")
    assert [("info", "hidden in plain sight", "coder"), ("warning", "careful", "tester")] == [
        (event["level"], event["message"], event["agent"]) for event in emitted[:2]
    ]
    assert ("error", "shop") == (emitted[2]["level"], emitted[2]["source"])
    assert emitted[2]["message"].startswith("broken\nTraceback")


def test_the_publisher_s_own_records_are_passed_over() -> None:
    """Else each that can't be published would make another."""
    emitted = Emitted()
    for name in ("relayd.worker", "aio_pika.connection", "aiormq.connection"):
        log = logging.getLogger(name)
        SwarmHandler(emitted, "p").handle(log.makeRecord(name, logging.ERROR, "", 0, "away", (), None))
    assert [] == emitted


def test_structlog_s_events_become_lines_and_go_on() -> None:
    """Their keys travel as fields; what is no plain value as a text."""
    emitted = Emitted()
    log = structlog.wrap_logger(
        structlog.testing.CapturingLogger(),
        processors=[SwarmProcessor(emitted, "p"), structlog.processors.KeyValueRenderer()],
    )
    log.warning("retrying", agent="coder", attempt=2, why=ValueError("x"))
    (event,) = emitted
    assert ("warning", "retrying", "coder") == (event["level"], event["message"], event["agent"])
    assert {"attempt": 2, "why": "ValueError('x')"} == event["fields"]
