"""What a broker says of itself: one that is too old is named before anything is declared there."""

from __future__ import annotations

from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

from consumer.config import Amqp
from consumer.rabbitmq import connection as connections
from consumer.rabbitmq.release import check_release, server_property, version
from tests.cases import for_each
from zeebe_amqp.amqp.refusal import BrokerRefusal
from zeebe_amqp.errors import Code


def connected(**said: Any) -> Any:
    """A connection to a broker that says so of itself."""
    properties = {"product": "RabbitMQ", "version": "3.10.8", **said}
    return Mock(url="amqp://ann:secret@rabbit:5671/x", transport=Mock(connection=Mock(server_properties=properties)))


@for_each([("3.10.8", (3, 10)), ("4.1.0-rc.1", (4, 1)), ("", None), ("four", None), ("4", None)])
def test_versions_are_read(text: str, found: tuple[int, int] | None) -> None:
    assert version(text) == found


@for_each(["3.9.29", "3.8.0", "2.99.99", "3.9.0-rc.1", b"3.9.13"])
def test_an_old_broker_is_named_without_its_password_and_with_what_to_do(text: Any) -> None:
    shown = text.decode() if isinstance(text, bytes) else text
    with pytest.raises(BrokerRefusal, match=f"rabbit:5671 is RabbitMQ {shown}; accepted: 3.10 or newer") as refused:
        check_release(connected(version=text))
    assert refused.value.code is Code.FAILED_PRECONDITION
    assert str(refused.value).endswith("upgrade it")
    assert "secret" not in str(refused.value)


@for_each([{}, {"version": "3.13.7"}, {"version": "4.3.6"}, {"version": "10.0.0"}, {"version": ""},
           {"version": "nightly"}, {"product": "Other", "version": "2.4"}, {"product": ""}])  # fmt: skip
def test_a_new_one_and_one_that_is_not_known_are_taken(said: dict[str, Any]) -> None:
    check_release(connected(**said))


def test_what_a_broker_does_not_say_is_empty() -> None:
    assert server_property(connected(), "cluster_name") == ""


async def test_nothing_is_set_up_at_an_old_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Mock()
    monkeypatch.setattr(connections, "ReconnectingConnection", kept)
    opened = AsyncMock()
    connections.reconnecting(Amqp(), "consume", opened)
    set_up, on_lost = kept.call_args.args[2], Mock()
    with pytest.raises(BrokerRefusal):
        await set_up(connected(version="3.9.29"), on_lost)
    opened.assert_not_awaited()
    await set_up(new := connected(), on_lost)
    opened.assert_awaited_once_with(new, on_lost)
