"""The audit as the settings want it: for the service, for the commands for dead letters, for a look."""

from __future__ import annotations

import os
import pwd
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Final, Self

from consumer.config import Amqp, Settings
from consumer.config.values import AuditSink
from consumer.core.access import Authorizer
from consumer.dead_letters.audit import DROPPED, LetterAudit, NoAudit, NotRecorded
from consumer.dead_letters.letter import DeadLetter, Signature
from consumer.rabbitmq import Broker
from consumer.rabbitmq.audit import look_for_audit, open_audit
from consumer.security.audit import Audit
from consumer.security.audit_record import DROP, REPLAY, Recorder, claimed_sender, digest
from consumer.security.audit_sinks import DescriptorSink, FileSink, QueueSink, Sink, examine
from consumer.telemetry import Telemetry

__all__ = ["letter_audit", "look", "service_audit"]

_STDOUT: Final = 1
_STDERR: Final = 2


def service_audit(settings: Settings, broker: Broker, watch: Telemetry, authorizer: Authorizer) -> Audit | None:
    """The audit of a service; None without one."""
    if settings.audit is None:
        return None
    recorder = Recorder(authorizer, watch.trace_id)
    return Audit(_sink(settings.audit, broker), recorder, partial(watch.record, "audit.duration"))


def _sink(sink: AuditSink, broker: Broker) -> Sink:
    if sink.kind == "stdout":
        return DescriptorSink(_STDOUT, "stdout")
    if sink.kind == "file":
        return FileSink(Path(sink.name))
    return QueueSink(str(sink), partial(broker.prepare_audit, sink), partial(broker.record, sink))


def letter_audit(settings: Settings, *, in_service: bool = False) -> LetterAudit:
    """The audit of a command for dead letters, or of the console, which is in the service."""
    return NoAudit() if settings.audit is None else _LetterAudit(settings.audit, settings.amqp, in_service)


class _LetterAudit:
    def __init__(self, sink: AuditSink, amqp: Amqp, in_service: bool) -> None:
        self._setting, self._amqp, self._in_service = sink, amqp, in_service
        self._recorder = Recorder()
        self._stack = AsyncExitStack()
        self._sink: Sink | None = None

    async def __aenter__(self) -> Self:
        try:
            self._sink = await self._make_sink()
            self._stack.push_async_callback(self._sink.close)
            await self._sink.open()
        except Exception as error:
            await self._stack.aclose()
            raise self._failure(error) from error
        return self

    async def _make_sink(self) -> Sink:
        if self._setting.kind == "stdout":
            # A command's results are on standard output.
            return DescriptorSink(_STDOUT, "stdout") if self._in_service else DescriptorSink(_STDERR, "stderr")
        if self._setting.kind == "file":
            return FileSink(Path(self._setting.name))
        publish = await self._stack.enter_async_context(open_audit(self._amqp, self._setting))
        return QueueSink(str(self._setting), _nothing, publish)

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def record(self, letter: DeadLetter, result: str, queue: str | None) -> None:
        assert self._sink is not None
        record = self._recorder.letter(
            DROP if result == DROPPED else REPLAY,
            user=letter.sender,
            user_source=_source(letter),
            original_user=claimed_sender(letter.headers, letter.sender),
            os_user=_os_user(),
            sudo_user=os.environ.get("SUDO_USER"),
            queue=queue or letter.origin,
            operation=letter.operation,
            request_id_sha256=digest(letter.request_id),
            code=letter.code,
            result=result,
            replays=letter.replays,
            app_id=letter.properties.get("app_id"),
            bytes=len(letter.body),
        )
        try:
            await self._sink.write([record])
        except Exception as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> NotRecorded:
        text = str(error) or type(error).__name__
        found = text if text.startswith("AUDIT:") else f"AUDIT: {self._setting} cannot be written: {text}"
        return NotRecorded(f"{found}; nothing more is replayed or dropped")


def _source(letter: DeadLetter) -> str:
    if letter.sender is None:
        return "anonymous"
    return "dead letter" if letter.signature is Signature.VALID else "validated"


async def _nothing() -> None:
    """It was prepared when it was opened."""


def _os_user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # containers run with numbers that have no name
        return str(os.getuid())


async def look(sink: AuditSink, amqp: Amqp) -> str:
    """What is there for the records; nothing is made.

    Raises:
        AuditError: they could not be written on this machine.
        BrokerError: they could not be written at the broker.
    """
    if sink.kind == "stdout":
        return "standard output"
    if sink.kind == "file":
        return f"{sink.name}: {examine(Path(sink.name))}"
    return f"{sink}: {await look_for_audit(amqp, sink)}"
