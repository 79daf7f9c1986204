"""What is found of queues and exchanges that refuse or do not answer."""

from __future__ import annotations

from typing import Any

import pytest
from aiormq.exceptions import (
    ChannelAccessRefused,
    ChannelClosed,
    ChannelLockedResource,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
)

from consumer.rabbitmq import look as looks
from consumer.rabbitmq.look import ExchangeFacts, Look, QueueFacts
from tests.cases import check_each
from zeebe_amqp import wire

DOWN = "NOT_FOUND - home node 'rabbit@b' of durable queue 'a' in vhost '/' is down or inaccessible"
REFUSED = "ACCESS_REFUSED - access to exchange 'zeebe.dead' in vhost '/' refused for user 'ann'"


def look(monkeypatch: pytest.MonkeyPatch, *ends: Exception | Any) -> Any:
    """A look whose questions end like this, one after the other."""
    rest = list(ends)

    async def on_channel(*_: Any) -> Any:
        end = rest.pop(0)
        if isinstance(end, Exception):
            raise end
        return end

    monkeypatch.setattr(looks, "on_channel", on_channel)
    return Look(None)  # type: ignore[arg-type]


def failing(words: str) -> QueueFacts:
    return QueueFacts("a", there=None, arguments=None, failing=words)


async def test_a_queue_that_is_not_there_is_told_from_one_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def is_found(end: Exception, facts: QueueFacts) -> None:
        assert await look(monkeypatch, end).declared("a", {}) == facts

    await check_each(
        [
            (ChannelNotFoundEntity("NOT_FOUND - no queue 'a' in vhost '/'"), QueueFacts("a", there=False)),
            (ChannelNotFoundEntity(DOWN), failing(f"ChannelNotFoundEntity: {DOWN}")),
            (ChannelClosed("INTERNAL_ERROR"), failing("ChannelClosed: INTERNAL_ERROR")),
            (TimeoutError(), failing("TimeoutError")),
            (ChannelLockedResource("RESOURCE_LOCKED"), QueueFacts("a", locked=True)),
            (ChannelAccessRefused("ACCESS_REFUSED"), QueueFacts("a", there=None, arguments=None)),
        ],
        is_found,
    )


async def test_the_exchange_is_looked_at_as_far_as_we_may(monkeypatch: pytest.MonkeyPatch) -> None:
    async def is_found(ends: list[Any], there: bool, words: str) -> None:
        found = await look(monkeypatch, *ends).exchange(wire.DEAD_LETTER)
        assert (found.there, words in found.declaring, bool(found.declaring)) == (there, True, bool(words))

    kind = "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'zeebe.dead' in vhost '/'"
    await check_each(
        [
            ([ChannelNotFoundEntity("NOT_FOUND")], False, ""),
            ([ChannelAccessRefused(REFUSED)], True, "needs the right to configure the exchange 'zeebe.dead'"),
            ([None, ChannelAccessRefused(REFUSED)], True, "needs the right to configure the exchange 'zeebe.dead'"),
            ([None, ChannelPreconditionFailed(kind)], True, "delete the exchange"),
            ([None, None], True, ""),
        ],
        is_found,
    )
    assert await look(monkeypatch, None, None).exchange(wire.DEAD_LETTER) == ExchangeFacts()
