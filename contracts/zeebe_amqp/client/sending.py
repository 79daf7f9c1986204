"""What keeps messages from the broker, as errors of commands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from zeebe_amqp import wire
from zeebe_amqp.client.answers import failure
from zeebe_amqp.client.transport import ConnectionLost, Denied, NotConnected, Refused, Unroutable
from zeebe_amqp.errors import Code, CommandError, Outcome, invalid

__all__ = ["check_headers", "check_size", "sending"]

MAX_HEADERS: Final = 64 * 1024
"""Bytes of text in the headers of a request. A broker closes the connection when headers exceed a frame."""


def check_size(body: bytes) -> None:
    """Refuse what no gateway takes.

    Raises:
        ResourceExhausted: the body is too large.
    """
    if len(body) > wire.MAX_BODY:
        raise _failed(
            Code.RESOURCE_EXHAUSTED,
            f"body: expected at most {wire.MAX_BODY} bytes, the gateway's limit, found {len(body)}",
        )


def check_headers(headers: Mapping[str, Any]) -> None:
    """Refuse what makes a broker close the connection.

    Raises:
        InvalidArgument: the texts in the headers are too large.
    """
    size = sum(len(value) for value in headers.values() if isinstance(value, str | bytes))
    if size > MAX_HEADERS:
        raise invalid("headers", f"expected at most {MAX_HEADERS} bytes, the trace's baggage included, found {size}")


@contextmanager
def sending(queue: str) -> Iterator[None]:
    """Raise what a transport says about a queue as a command's error."""
    try:
        yield
    except NotConnected as error:
        reason = f": {error}" if str(error) else ""
        raise _failed(Code.UNAVAILABLE, f"no connection to the broker{reason}", retryable=True) from error
    except ConnectionLost as error:
        raise _failed(Code.UNAVAILABLE, str(error), Outcome.UNKNOWN, retryable=True) from error
    except TimeoutError as error:
        words = f"no confirm from the broker for a message to queue {queue!r}"
        raise _failed(Code.DEADLINE_EXCEEDED, words, Outcome.UNKNOWN, retryable=True) from error
    except Unroutable as error:
        words = f"queue {queue!r} does not exist: the service declares it when it starts"
        raise _failed(Code.UNAVAILABLE, words, retryable=True) from error
    except Refused as error:
        words = f"the broker rejected the message: queue {queue!r} is full or has failed"
        raise _failed(Code.RESOURCE_EXHAUSTED, words, Outcome.UNKNOWN, retryable=True) from error
    except Denied as error:
        outcome = Outcome.UNKNOWN if error.sent else Outcome.NOT_EXECUTED
        raise _failed(error.code, str(error), outcome, retryable=error.retryable) from error


def _failed(
    code: Code, message: str, outcome: Outcome = Outcome.NOT_EXECUTED, *, retryable: bool = False
) -> CommandError:
    return failure(code, message, None, outcome=outcome, retryable=retryable)
