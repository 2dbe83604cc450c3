import io
import json
import logging

import pytest

from relayd.telemetry import logs

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1In0.c2lnbmF0dXJl"

pytestmark = pytest.mark.usefixtures("own_logging")


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    """Return the JSON lines that were written."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def fail(text: str) -> ValueError:
    """Return an error that was raised, so that it has a traceback."""
    try:
        raise ValueError(text)
    except ValueError as error:
        return error


def test_an_event_is_one_line_of_json() -> None:
    """Time, level and event first; then the fields."""
    stream = io.StringIO()
    logs.configure("json", "info", stream)
    logs.logger().warning("source_disconnected", attempt=3, detail="refused")
    (line,) = lines(stream)
    assert ["timestamp", "level", "event", "attempt", "detail"] == list(line)
    assert ("warning", "source_disconnected", 3) == (line["level"], line["event"], line["attempt"])
    assert str(line["timestamp"]).endswith("Z")


def test_libraries_go_the_same_way() -> None:
    """The standard library's records have the same form, and name their logger."""
    stream = io.StringIO()
    logs.configure("json", "info", stream)
    logging.getLogger("aiohttp.server").error("bad request from %s", "10.0.0.1")
    (line,) = lines(stream)
    assert ("error", "bad request from 10.0.0.1", "aiohttp.server") == (line["level"], line["event"], line["logger"])


@pytest.mark.parametrize("level", ["debug", "info"])
def test_chatty_libraries_tell_warnings_only(level: str) -> None:
    """They write a line per request, frame or statement, at any level of ours."""
    stream = io.StringIO()
    logs.configure("json", level, stream)
    for name in logs.QUIET:
        logging.getLogger(name).info("GET / 200")
        logging.getLogger(name).warning("something is wrong")
    assert [line["event"] for line in lines(stream)] == ["something is wrong"] * len(logs.QUIET)


def test_the_level_holds() -> None:
    """What is below it is not written."""
    stream = io.StringIO()
    logs.configure("json", "error", stream)
    logs.logger().info("viewer_admitted")
    logging.getLogger("aio_pika").warning("reconnecting")
    logs.logger().error("journal_failed")
    assert [line["event"] for line in lines(stream)] == ["journal_failed"]


def test_configuring_again_replaces() -> None:
    """A reload changes level and stream, for loggers that exist already, and writes no line twice."""
    first, second = io.StringIO(), io.StringIO()
    logs.configure("json", "error", first)
    log = logs.logger()
    logs.configure("json", "debug", second)
    log.debug("viewer_admitted")
    logging.getLogger("library").info("hello")
    assert first.getvalue() == ""
    assert [line["event"] for line in lines(second)] == ["viewer_admitted", "hello"]


@pytest.mark.parametrize("form", ["json", "pretty"])
def test_no_token_is_written(form: str) -> None:
    """Whether it comes in a field, a library's argument, a traceback, or an error chained to one."""
    stream = io.StringIO()
    logs.configure("json" if form == "json" else "pretty", "debug", stream)
    error = fail(f"inner ?token={TOKEN}")
    outer = RuntimeError(f"outer {TOKEN}")
    outer.__cause__ = error
    logs.logger().error(
        "incident_happened", url=f"/ws?ticket={TOKEN}", headers={"Authorization": TOKEN}, exc_info=outer
    )
    logging.getLogger("aiohttp.server").error("Error handling %s", TOKEN, exc_info=outer)
    logging.getLogger("asyncio").error("Task exception %r", outer)
    shown = stream.getvalue()
    assert shown.count("ValueError: inner ?token=[redacted]") == 2
    assert shown.count("RuntimeError: outer [redacted]") == 2
    assert TOKEN not in shown
    assert "c2lnbmF0dXJl" not in shown


def test_an_exception_of_ours_is_told_with_its_traceback() -> None:
    """Given as an error, or as the one that is being handled."""
    stream = io.StringIO()
    logs.configure("json", "info", stream)
    logs.logger().error("incident_happened", exc_info=fail("first"))
    try:
        raise ValueError("second")
    except ValueError:
        logs.logger().error("incident_happened", exc_info=True)
    first, second = lines(stream)
    assert str(first["exception"]).endswith("ValueError: first")
    assert str(second["exception"]).endswith("ValueError: second")


@pytest.mark.parametrize("form", ["json", "pretty"])
def test_a_strangers_text_can_not_forge_a_line(form: str) -> None:
    """Line feeds and escape sequences are spelt out: one event, one line."""
    stream = io.StringIO()
    logs.configure("json" if form == "json" else "pretty", "info", stream)
    logs.logger().info("event_rejected", detail="x\n2026-01-01 [info] admin_admitted\x1b[2J\u202e")
    shown = stream.getvalue()
    assert shown.count("\n") == 1
    assert "\x1b[2J" not in shown
    assert "\u202e" not in shown


def test_in_the_pretty_format_a_traceback_can_not_forge_a_line() -> None:
    """Every line of it is indented."""
    stream = io.StringIO()
    logs.configure("pretty", "info", stream)
    logs.logger().error("incident_happened", exc_info=fail("x\n2026-01-01 [info] admin_admitted"))
    first, *rest = stream.getvalue().splitlines()
    assert "incident_happened" in first
    assert all(line.startswith("  | ") for line in rest)


def test_the_pretty_format_shows_no_local_variables() -> None:
    """Tokens and keys are among them."""
    stream = io.StringIO()
    logs.configure("pretty", "info", stream)
    local = "-".join(["s3cret"] * 2)
    try:
        raise ValueError(f"boom {len(local)}")
    except ValueError as error:
        logs.logger().error("incident_happened", exc_info=error)
    assert local not in stream.getvalue()
    assert "ValueError: boom 13" in stream.getvalue()
