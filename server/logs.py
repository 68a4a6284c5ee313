"""Structured logs. Log lines contain no address, identifier, body, query string or header."""

from __future__ import annotations

import errno
import logging
import sys
from typing import Any

import structlog

Logger = structlog.stdlib.BoundLogger


def configure(*, form: str, level: str) -> None:
    """Configure logging in this process. `form` is `auto`, `json` or `text`; lines go to standard error."""
    text = form == "text" or (form == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        _exceptions_without_values,
    ]
    renderer: Any = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if text else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # Uvicorn's lines on requests and invalid input contain addresses and client data.
    for name, least in (
        ("uvicorn.access", logging.CRITICAL),
        ("uvicorn.error", logging.ERROR),
        ("httpx", logging.WARNING),
        ("piccolo", logging.WARNING),
        ("apscheduler", logging.WARNING),
    ):
        logging.getLogger(name).setLevel(least)


def _exceptions_without_values(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """Replace an exception with its type and traceback locations: its message may contain client data."""
    exc_info = event.pop("exc_info", None)
    if not exc_info:
        return event
    error = exc_info if isinstance(exc_info, BaseException) else (exc_info[1] if isinstance(exc_info, tuple) else sys.exc_info()[1])
    if error is None:
        return event
    places, trace = [], error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        module = trace.tb_frame.f_globals.get("__name__", "?")
        places.append(f"{module}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    event["error"] = f"{type(error).__name__} {_code(error)}".rstrip()
    event["at"] = places[-6:]
    return event


def _code(error: BaseException) -> str:
    """Return an error code without any values: SQLITE_FULL, ENOSPC."""
    number = getattr(error, "errno", None)
    return str(getattr(error, "sqlite_errorname", "")) or (errno.errorcode.get(number, "") if isinstance(number, int) else "")


def get(name: str) -> Logger:
    """Return a logger."""
    logger: Logger = structlog.stdlib.get_logger(name)
    return logger
