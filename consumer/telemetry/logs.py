"""Log lines: JSON for machines, text for people, nothing secret in either."""

from __future__ import annotations

import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import orjson
from opentelemetry.trace import format_trace_id, get_current_span

from consumer.telemetry.storms import Bounded
from zeebe_amqp.schema.formatting import printable

__all__ = ["FORMATS", "LEVELS", "JsonLines", "Masked", "TextLines", "mask", "setup"]


LEVELS: Final = ("debug", "info", "warning", "error", "critical")
FORMATS: Final = ("json", "text")

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_MASK: Final = "***"
# Bounded repeats: a log line can be long, and quote what a stranger sent.
_USERINFO: Final = re.compile(r"://([^\s:@/]{0,256}):\S{0,512}@")
_CREDENTIAL: Final = re.compile(r"\b(bearer|basic)\s{1,4}[\w.~+/=-]{8,}", re.IGNORECASE)
_DIVIDES: Final = re.compile(r"[\s='\"]")
_ASSIGNED: Final = re.compile(
    r"(password|passwd|secret|access_token|refresh_token|id_token)([\"']?\s{0,4}[=:]\s{0,4}[\"']?)[^\s\"'&,;]+",
    re.IGNORECASE,
)


def setup(level: str, format: str, stream: TextIO | None = None) -> None:
    """Send every log of the process to `stream` (standard error when None).

    Args:
        level: one of `LEVELS`, in any case.
        format: one of `FORMATS`.

    Raises:
        ValueError: another level or format; the text names the setting.
    """
    if level.lower() not in LEVELS:
        raise ValueError(f"LOG_LEVEL: found {level[:80]!r}; accepted: {', '.join(LEVELS)}")
    if format not in FORMATS:
        raise ValueError(f"LOG_FORMAT: found {format[:80]!r}; accepted: {', '.join(FORMATS)}")
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.addFilter(Bounded())
    handler.addFilter(Masked())
    handler.setFormatter(JsonLines() if format == "json" else TextLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def mask(text: str) -> str:
    """`text` without the passwords of URLs, without tokens and assigned secrets."""
    if "://" in text:
        text = _USERINFO.sub(rf"://\1:{_MASK}@", text)
    text = _CREDENTIAL.sub(rf"\1 {_MASK}", text)
    return _ASSIGNED.sub(rf"\1\2{_MASK}", text)


class Masked(logging.Filter):
    """Takes secrets out of a record: its message, its extra fields and its traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask in place; every record passes."""
        record.msg, record.args = mask(_message(record)), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = mask(record.exc_text)
        for name, value in _extra(record).items():
            setattr(record, name, mask(value) if isinstance(value, str) else value)
        return True


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # a line with a wrong format is still worth reading, and must not stop what it reports
        return f"{record.msg} {record.args}"


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """What a line says beside its message: the trace it belongs to and the extra fields."""
    extra = _extra(record)
    current = get_current_span().get_span_context()
    if "trace_id" not in extra and current.is_valid:
        extra["trace_id"] = format_trace_id(current.trace_id)
    return extra


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, trace_id, extra fields, exception."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, Any] = {
            **_fields(record),
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_text:
            line["exception"] = record.exc_text
        try:
            return _json(line)
        except TypeError:
            return _json({_writable(name): _writable(value) for name, value in line.items()})


def _json(value: object) -> str:
    return orjson.dumps(value, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()


def _writable(value: Any) -> Any:
    """A value as it is, or in ASCII where JSON cannot have it: text that is not Unicode, a number beyond 64 bits."""
    try:
        _json(value)
    except TypeError:
        return ascii(value)
    return value


class TextLines(logging.Formatter):
    """One line of text: time, level, logger, message, fields as name=value; a traceback follows, indented."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        fields = "".join(f" {name}={_value(value)}" for name, value in _fields(record).items())
        words = f"{_time(record)} {record.levelname:<7} {record.name}: {record.getMessage()}{fields}"
        # A line break in what a stranger sent must not look like a line of ours.
        line = _escape(words)
        return "\n".join((line, *map(_indent, record.exc_text.split("\n")))) if record.exc_text else line


def _escape(text: str) -> str:
    return printable(text, kept="", shown=lambda char: char.encode("unicode_escape").decode())


def _indent(line: str) -> str:
    """A line of a traceback: the text of an error may have line breaks, and what a stranger sent."""
    return f"  {_escape(line)}"


def _value(value: object) -> object:
    """A field's value; text in which another field could begin is quoted."""
    return repr(value) if isinstance(value, str) and _DIVIDES.search(value) else value
