"""What is shown on: a broker with two users, an engine or a gateway, and the service with policy and audit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rights.records import Record, read
from benchmarks.rights.rules import ALICE, NOBODY, PASSWORD, POLICY, USERS, reply_queue, rights
from consumer.security import policy
from consumer.security.policy import Policy
from scripts.consumer import Consumer
from scripts.rabbitmq import RabbitMQ
from tests.integration.broker_control import authorize
from tests.integration.caller import Caller


def add_users(node: RabbitMQ, host: str = "/") -> None:
    """Make alice and mallory, with rights on request queues and on reply queues of their own."""
    for user in USERS:
        authorize(node, "add_user", user, PASSWORD)
        authorize(node, "set_permissions", user, host, *rights(user))


def delete_users(node: RabbitMQ) -> None:
    """Forget them."""
    for user in USERS:
        authorize(node, "delete_user", user)


@dataclass
class Site:
    """A service that asks a policy, and writes an audit."""

    host: str
    """Where the broker is: host:port, and its virtual host."""
    consumer: Consumer
    audit: Path
    policy: Policy

    def caller(self, user: str) -> Caller:
        """A new caller who logs in as a user; nobody in particular borrows a login and does not say whose."""
        login = ALICE if user == NOBODY else user
        caller = Caller(f"amqp://{login}:{PASSWORD}@{self.host}", *self.consumer.queues)
        caller.reply_to = reply_queue(login, caller.reply_to)
        return caller

    def records(self) -> list[Record]:
        """The audit so far."""
        return read(self.audit)


@contextmanager
def running(directory: Path, url: str, host: str, address: str, settings: Mapping[str, str]) -> Iterator[Site]:
    """A ready service of the gateway at `address`; `url` is the broker for itself, `host` where its users go."""
    directory.mkdir(parents=True, exist_ok=True)
    rules, audit = directory / "policy.toml", directory / "audit.jsonl"
    rules.write_text(POLICY)
    given = {"POLICY_FILE": str(rules), "AUDIT": str(audit), **settings}
    with Consumer(directory, url, address, given) as consumer:
        yield Site(host, consumer, audit, policy.read(rules))
