"""Where requests go, and the options that say so."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final, Self, TypeVar

import click
from click.core import ParameterSource

from zeebe_amqp import wire
from zeebe_amqp.amqp.address import shows_password
from zeebe_amqp.amqp.reconnecting import check_urls
from zeebe_amqp.cli import exit_codes
from zeebe_amqp.cli.brief import Shared
from zeebe_amqp.cli.output import AUTO, MODES, Output
from zeebe_amqp.cli.values import SECONDS, TEXT
from zeebe_amqp.client import Client
from zeebe_amqp.errors import CommandError

__all__ = ["CONNECTION", "PRIORITY", "REQUEST", "TIMEOUT", "USER_ID", "Connection", "Request", "connected"]

LOCAL: Final = "amqp://guest:guest@127.0.0.1:5672"
TIMEOUT: Final = 30.0
"""Seconds to wait for an answer unless told otherwise, besides what a long-running request may take."""

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Connection:
    """The broker and its request queues, and what is told how."""

    urls: tuple[str, ...]
    queues: tuple[str, str]
    user_id: str | None
    output: Output
    reply_exchange: str | None = None

    def client(self, timeout: float = TIMEOUT) -> Client:
        """A client that is not open yet.

        Raises:
            click.UsageError: the user id is none.
        """
        commands, polls = self.queues
        try:
            return Client(
                self.urls,
                timeout=timeout,
                commands=commands,
                polls=polls,
                user_id=self.user_id,
                reply_exchange=self.reply_exchange,
            )
        except ValueError as problem:
            raise click.UsageError(f"--user-id: {str(problem).removeprefix('user_id: ')}") from None


@dataclass(frozen=True)
class Request:
    """How a request is sent: `timeout` in seconds, None = the usual one; `trace` = begin one; `priority` or none."""

    operation: str | None
    request_id: str
    timeout: float | None
    trace: bool
    priority: int | None

    @classmethod
    def of(
        cls, operation: str | None, request_id: str | None, timeout: float | None, trace: bool, priority: int | None
    ) -> Self:
        """A request under this id, or a fresh one."""
        return cls(operation, request_id or uuid.uuid4().hex, timeout, trace, priority)

    @contextmanager
    def named(self) -> Iterator[None]:
        """Errors say which request failed, whoever raised them."""
        try:
            yield
        except CommandError as error:
            error.operation = error.operation or self.operation
            error.request_id = self.request_id
            raise


def _queues(context: click.Context, parameter: click.Parameter, text: str) -> tuple[str, str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise click.BadParameter("expected names of queues, separated by a comma", context, parameter)
    return names[0], names[-1]


def _urls(context: click.Context, parameter: click.Parameter, text: str) -> tuple[str, ...]:
    given = context.get_parameter_source(parameter.name or "")
    if given is ParameterSource.COMMANDLINE and shows_password(text):
        where = "no password here, where every user of the machine can read it: use the variable AMQP_URL"
        raise click.BadParameter(where, context, parameter)
    urls = tuple(url.strip() for url in re.split(r",(?=\s*amqps?://)", text))
    try:
        return check_urls(urls)
    except ValueError as problem:
        raise click.BadParameter(str(problem), context, parameter) from None


CONNECTION: Final[tuple[click.Parameter, ...]] = (
    Shared(
        ["--url"],
        envvar="AMQP_URL",
        default=LOCAL,
        type=TEXT,
        callback=_urls,
        show_envvar=True,
        help="the broker, or several hosts of it separated by commas; an address with a password only in the variable; "
        f"default {LOCAL}",
    ),
    Shared(
        ["--queues"],
        envvar="AMQP_QUEUES",
        default=f"{wire.COMMANDS_QUEUE},{wire.POLLS_QUEUE}",
        type=TEXT,
        callback=_queues,
        show_envvar=True,
        help="the service's queues for commands and for long-running requests; default "
        f"{wire.COMMANDS_QUEUE},{wire.POLLS_QUEUE}",
    ),
    Shared(
        ["--reply-exchange"],
        envvar="AMQP_REPLY_EXCHANGE",
        type=TEXT,
        show_envvar=True,
        help="the exchange of strict replies, where the service has one (its REPLY_EXCHANGE)",
    ),
    Shared(
        ["-o", "--output"],
        type=click.Choice(MODES),
        default=AUTO,
        help="text for people, or JSON lines; default auto: text on a terminal",
    ),
)
"""Options of every command that talks to a broker."""
USER_ID: Final = Shared(
    ["--user-id"],
    envvar="AMQP_USER_ID",
    type=TEXT,
    show_envvar=True,
    help='the user_id of requests, which the broker checks; "" sends none; default the user of --url, unless that '
    "has a certificate or a token",
)
"""An option of every command that sends requests."""
PRIORITY: Final = Shared(
    ["--priority"],
    type=click.IntRange(0, wire.MAX_PRIORITY),
    help=f"from 0 to {wire.MAX_PRIORITY}; a higher one goes first where the broker knows that; default as 0",
)
"""An option of every command that publishes requests."""
REQUEST: Final[tuple[click.Parameter, ...]] = (
    Shared(
        ["--timeout"],
        type=SECONDS,
        help='how long to wait for the answer, such as "90s"; default 30s plus the wait of a long poll',
    ),
    Shared(["--request-id"], type=TEXT, help="idempotency key: a repeated id returns the stored answer"),
    PRIORITY,
    Shared(["--trace"], is_flag=True, help="start a trace and print its id; TRACEPARENT is always continued"),
)
"""Options of every command that sends one request."""


def connected(function: F) -> F:
    """A callback that is given a `Connection` for the options of one; errors of commands become an exit code."""

    @wraps(function)
    def callback(
        url: tuple[str, ...],
        queues: tuple[str, str],
        output: str,
        reply_exchange: str | None,
        user_id: str | None = None,
        **options: Any,
    ) -> Any:
        printer = Output(output)
        try:
            return function(Connection(url, queues, user_id, printer, reply_exchange or None), **options)
        except CommandError as error:
            printer.error(error)
            return exit_codes.of(error)

    return callback  # type: ignore[return-value]
