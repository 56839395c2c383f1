"""Structured logs on standard error: JSON for machines, lines for people. Times are UTC, ISO 8601."""

import logging
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Protocol

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from crawlsieve.telemetry.faults import in_one_line, outline

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

LIBRDKAFKA = logging.getLogger("librdkafka")
"""For the `logger` argument of confluent_kafka's clients."""

# Told at INFO: every request's URL.
_TALKATIVE = ("httpx", "httpcore", "httpx2", "httpcore2", "urllib3")


class Settings(Protocol):
    """What [log] says."""

    @property
    def level(self) -> str:
        """debug, info, warning or error."""

    @property
    def format(self) -> str:
        """auto, json or console."""


def configure(settings: Settings) -> None:
    """Sets up structlog, and sends the standard library's records and uncaught exceptions the same way."""
    level = _LEVELS[settings.level]
    people = settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty())
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if people else structlog.processors.JSONRenderer()
    )
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _brief_exceptions if people else _outlined_exceptions,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))
    logging.getLogger("crawlsieve").setLevel(level)
    LIBRDKAFKA.setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def _fault_of(event: Mapping[str, object]) -> BaseException | None:
    info = event.get("exc_info")
    if isinstance(info, BaseException):
        return info
    if isinstance(info, tuple):
        return info[1] if len(info) > 1 and isinstance(info[1], BaseException) else None
    return sys.exc_info()[1] if info else None


def _outlined_exceptions(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    if (fault := _fault_of(event)) is not None:
        event["exception"] = outline(fault)
    event.pop("exc_info", None)
    return event


def _brief_exceptions(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    if (fault := _fault_of(event)) is not None:
        event["exception"] = " <- ".join(
            f"{part['type']}{': ' + part['text'] if 'text' in part else ''} [{', '.join(part['at'][-4:])}]"
            for part in outline(fault)
        )
    event.pop("exc_info", None)
    return event


def _uncaught(_: type[BaseException], fault: BaseException, __: TracebackType | None) -> None:
    structlog.get_logger("crawlsieve").critical("crashed", fault=in_one_line(fault), exc_info=fault)


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        thread = args.thread.name if args.thread else "unknown"
        structlog.get_logger("crawlsieve").critical("thread-crashed", thread=thread, exc_info=args.exc_value)
