"""Logs: JSON lines on standard error, pretty on a terminal; static event names with fields.

Log ids, not objects. Tokens, tickets, passwords, payloads and answers are never logged: fields with such names and
texts that look like a token are blotted out here, as a second net.
"""

import json
import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final, cast

import orjson
import structlog
from structlog.typing import FilteringBoundLogger, Processor

Logger = FilteringBoundLogger

_BLOT: Final = "[not logged]"
_SECRET_FIELDS: Final = frozenset(
    {"access_token", "answer", "answers", "authorization", "cookie", "csrf_token", "jwt"}
    | {"password", "payload", "refresh_token", "secret", "ticket", "token"}
)
_TOKEN: Final = re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_URL_SECRET: Final = re.compile(r"(\w+://[^/@\s:]*:)[^/@\s]+@|([?&]token=)[^&\s]+")
_FIELD_CHARACTERS_MAX: Final = 2_000


class _Writer:
    """Writes lines to whatever standard error is now (tests replace it)."""

    def msg(self, message: str) -> None:
        sys.stderr.write(message + "\n")
        sys.stderr.flush()

    log = debug = info = warn = warning = error = critical = exception = fatal = failure = err = msg


def _blot_text(text: str) -> str:
    if len(text) > _FIELD_CHARACTERS_MAX:
        text = text[:_FIELD_CHARACTERS_MAX] + "…"
    text = _TOKEN.sub(_BLOT, text)
    return _URL_SECRET.sub(lambda match: (match[1] or match[2]) + (_BLOT + "@" if match[1] else _BLOT), text)


def _blot(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blot out what must not be logged, and bound each field."""
    for name, value in event.items():
        if name in _SECRET_FIELDS:
            event[name] = _BLOT
        elif isinstance(value, str) and name != "exception":
            event[name] = _blot_text(value)
    return event


def _to_json(event: object, **_settings: object) -> str:
    try:
        return orjson.dumps(event, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # integers beyond 64 bits, lone surrogates
        return json.dumps(event, default=repr)


class _FromStandardLogging(logging.Handler):
    """Takes what libraries log the standard way into our lines."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            message = str(record.msg)
        get(record.name).log(record.levelno, "library_said", message=message, exc_info=record.exc_info or None)


def configure(level: str = "info", *, process: str = "", pretty: bool | None = None) -> None:
    """Set up logging for this process. ``process`` names it in every line; ``pretty`` by default on a terminal."""
    pretty = sys.stderr.isatty() if pretty is None else pretty
    number = logging.getLevelNamesMapping()[level.upper()]

    def name_process(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if process:
            event["process"] = process
        return event

    chain: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_process,
        _blot,
    ]
    if pretty:
        chain += [structlog.dev.ConsoleRenderer(sort_keys=False)]
    else:
        chain += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_to_json)]
    structlog.configure(
        processors=chain,
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_names: _Writer(),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers = [handler for handler in root.handlers if not isinstance(handler, _FromStandardLogging)]
    root.addHandler(_FromStandardLogging())
    root.setLevel(max(number, logging.INFO))


def get(name: str) -> Logger:
    """Return the logger of a component: ``get("shards").info("room_adopted", room=code, epoch=epoch)``."""
    return cast("Logger", structlog.get_logger(component=name))


structlog.configure(logger_factory=lambda *_names: _Writer())
configure(pretty=False)
