"""
How a log line is made: ours and the libraries' go the same way, to one stream.

Law 1: nothing leaves without `clean_field`, the last step before the renderer.
Law 2: one event, one line; in the pretty format an exception has more, indented so that they can't pass for one.
"""

import logging
import sys
import traceback
from typing import Literal, TextIO

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from relayd.telemetry.redaction import TokenFilter, clean_field, escape

__all__ = ["configure", "logger"]

QUIET = ("aiohttp.access", "aio_pika", "aiormq", "asyncio", "aiosqlite")
"""Loggers that tell only warnings: below them they write a line per request, frame or statement."""

FILTERED = (
    "aiohttp.access",
    "aiohttp.client",
    "aiohttp.server",
    "aiohttp.web",
    "aiohttp.websocket",
    "aio_pika",
    "asyncio",
)
"""Loggers with a filter of their own, so that handlers which somebody else installs see no token either."""

FIRST = ("timestamp", "level", "event")
"""What a reader looks for first stands first."""


def configure(format: Literal["json", "pretty"], level: str, stream: TextIO) -> None:  # noqa: A002 - the setting's name
    """Send all logs of the process, from `level` on, to the stream; calling it again replaces what was set before."""
    handler = logging.StreamHandler(stream)
    handler.addFilter(TokenFilter())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name, _timestamp],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _exception,
                *_rendering(format, stream),
            ],
        )
    )
    root = logging.getLogger()
    for old in [
        handler for handler in root.handlers if isinstance(handler.formatter, structlog.stdlib.ProcessorFormatter)
    ]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    for name in FILTERED:
        _filter_once(logging.getLogger(name))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_log_level,
            _timestamp,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        # A cached logger would keep the level and the stream of before a reload.
        cache_logger_on_first_use=False,
    )


def logger() -> structlog.stdlib.BoundLogger:
    """Return the relay's logger, for the observer."""
    log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger("relayd")
    return log


def _rendering(format: Literal["json", "pretty"], stream: TextIO) -> list[Processor]:  # noqa: A002 - as above
    if format == "json":
        # `ensure_ascii`, json's default, spells out every control character.
        return [_clean, structlog.processors.JSONRenderer(sort_keys=False)]
    return [_clean, _escape, structlog.dev.ConsoleRenderer(colors=stream.isatty())]


_timestamp: Processor = structlog.processors.TimeStamper(fmt="iso", utc=True)


def _exception(_log: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    # Made into text here: the console renderer's own way prints local variables, tokens and keys among them.
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()
    if isinstance(error, tuple) and error[1] is not None:
        error = error[1]
    if isinstance(error, BaseException):
        event["exception"] = "".join(traceback.format_exception(error)).rstrip()
    return event


def _clean(_log: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    fields = {**{name: event[name] for name in FIRST if name in event}, **event}
    return {name: clean_field(name, value) for name, value in fields.items()}


def _escape(_log: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    exception = event.pop("exception", None)
    shown = {name: _escaped(value) for name, value in event.items()}
    if exception is not None:
        shown["exception"] = "\n".join(f"  | {escape(line)}" for line in str(exception).split("\n"))
    return shown


def _escaped(value: object) -> object:
    return escape(value if isinstance(value, str) else repr(value)) if not isinstance(value, int | float) else value


def _filter_once(log: logging.Logger) -> None:
    if not any(isinstance(known, TokenFilter) for known in log.filters):
        log.addFilter(TokenFilter())
