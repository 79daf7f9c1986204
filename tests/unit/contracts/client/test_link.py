from __future__ import annotations

import pytest

from zeebe_amqp import Client
from zeebe_amqp.client.link import LONGEST_PAUSE, backoff


@pytest.mark.parametrize("address", ["", "nonsense", "http://host/", "amqp:///", "host:5672", "user:secret@host"])
def test_what_is_no_address_of_a_broker_is_refused_and_no_password_repeated(address: str) -> None:
    with pytest.raises(ValueError, match="broker: expected an address such as amqp://") as raised:
        Client(["amqp://host/", address])
    assert "secret" not in str(raised.value)


def test_no_address_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="broker: expected at least one address, found none"):
        Client([])


@pytest.mark.parametrize("address", ["amqp://host", "amqps://user:secret@host:5671/vhost?heartbeat=5"])
def test_addresses_of_brokers_are_taken(address: str) -> None:
    Client(address)


def test_pauses_between_attempts_grow_up_to_a_limit() -> None:
    assert 0.1 <= backoff(1) <= 0.2
    assert LONGEST_PAUSE / 2 <= backoff(1000) <= LONGEST_PAUSE
