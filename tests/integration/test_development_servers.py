"""The servers of development themselves: they start, answer, survive a crash with their data, and leave nothing."""

from __future__ import annotations

from scripts import guard
from scripts.rabbitmq import RabbitMQ
from scripts.zeebe import Zeebe


def test_killed_rabbitmq_comes_back_on_its_port_with_its_data(own_rabbitmq: RabbitMQ) -> None:
    own_rabbitmq.ctl("add_user", "somebody", "password")
    own_rabbitmq.kill()
    assert not own_rabbitmq.answers()
    own_rabbitmq.start()
    assert own_rabbitmq.answers()
    assert "somebody" in own_rabbitmq.ctl("list_users")


def test_stopped_rabbitmq_leaves_no_process(own_rabbitmq: RabbitMQ) -> None:
    assert own_rabbitmq.process
    members = guard.family(own_rabbitmq.process.pid)
    own_rabbitmq.stop()
    assert not set(members) & set(guard.family(1))
    own_rabbitmq.start()


def test_killed_zeebe_comes_back_on_its_ports(own_zeebe: Zeebe) -> None:
    address = own_zeebe.address
    own_zeebe.kill()
    assert not own_zeebe.ready()
    own_zeebe.start()
    assert own_zeebe.ready()
    assert own_zeebe.address == address
