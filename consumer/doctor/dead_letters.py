"""The dead letters: their exchange, their queue, what binds the two, and how many wait."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from consumer.config import Amqp
from consumer.doctor.finding import Finding, Section
from consumer.doctor.management import ManagementFacts
from consumer.doctor.queues import bound, failing, judge_arguments, judge_rights
from consumer.rabbitmq import dead_letter_count
from consumer.rabbitmq.examination import BrokerFacts
from consumer.rabbitmq.look import QueueFacts
from zeebe_amqp import wire

__all__ = ["judge_dead_letters"]

DEAD: Final = Section("dead letters")
_LOST: Final = "requests that fail for good and have no reply_to, or that the broker gives up, have nowhere to go"


def judge_dead_letters(facts: BrokerFacts, amqp: Amqp, management: ManagementFacts | None) -> Iterator[Finding]:
    """Everything about the dead letters; without `management` the binding is not seen."""
    yield from _exchange(facts, amqp)
    there = _there(facts.dead, amqp)
    yield there
    if facts.dead.there and not facts.dead.locked:
        yield from judge_arguments(DEAD, facts.dead, amqp, wire.queue_arguments(wire.DEAD_LETTER))
        yield from judge_rights(DEAD, facts.dead, amqp)
        if facts.exchange.there:
            yield _binding(management)
        yield bound(DEAD, facts.dead, management.policies.get(wire.DEAD_LETTER) if management else None)
        yield _count(facts.dead, amqp.dead_letter_bound)


def _exchange(facts: BrokerFacts, amqp: Amqp) -> Iterator[Finding]:
    exchange, subject = facts.exchange, f"exchange {wire.DEAD_LETTER!r}"
    if not exchange.there:
        yield _missing(subject, "exchange", "a durable fanout exchange", amqp)
        return
    if exchange.declaring and amqp.declare == "active":
        yield DEAD.problem(
            subject,
            exchange.declaring,
            "give the right, or delete an exchange of another kind; or declare everything yourself and set "
            "AMQP_DECLARE=passive",
            "the service declares it with each connection, and runs nothing when it may not",
        )
    if exchange.writing:
        yield DEAD.problem(
            subject,
            exchange.writing,
            f"`rabbitmqctl set_permissions` with a pattern for write that matches {wire.DEAD_LETTER!r}",
            _LOST,
        )
    elif not exchange.declaring or amqp.declare == "passive":
        yield DEAD.ok(subject, "it is there" + ("" if facts.alarm or facts.writing else ", and we may write to it"))


def _there(queue: QueueFacts, amqp: Amqp) -> Finding:
    subject = f"queue {wire.DEAD_LETTER!r}"
    if queue.locked:
        return DEAD.problem(
            subject, "it belongs exclusively to another connection", "end that connection", "nobody else can use it"
        )
    if queue.failing:
        return failing(DEAD, queue)
    if queue.there is None:
        return DEAD.unseen(
            subject, "not allowed to look", "`rabbitmqctl list_queues name messages` must show it", _LOST
        )
    if queue.there:
        return DEAD.ok(subject, "it is there")
    return _missing(subject, "queue", "a durable quorum queue", amqp)


def _missing(subject: str, kind: str, what: str, amqp: Amqp) -> Finding:
    if amqp.declare == "passive":
        return DEAD.problem(
            subject,
            "it is not there, and AMQP_DECLARE=passive",
            f"declare {what} {wire.DEAD_LETTER!r} and bind queue and exchange, or set AMQP_DECLARE=active",
            _LOST,
        )
    return DEAD.warning(subject, "it is not there yet; the service declares it", "start the service", _LOST)


def _binding(management: ManagementFacts | None) -> Finding:
    name = wire.DEAD_LETTER
    if management is None or management.bound is None:
        # Publishing would show it, and leave a letter with everybody who is bound there.
        return DEAD.unseen(
            "binding",
            "AMQP does not show bindings; a running service with AMQP_DECLARE=active makes it with each connection",
            f"`rabbitmqctl list_bindings source_name destination_name` must show {name} twice in a line; "
            "--management looks for you",
            _LOST,
        )
    if not management.bound:
        return DEAD.problem(
            "binding",
            f"the queue {name!r} is not bound to the exchange {name!r}",
            f"start the service with AMQP_DECLARE=active, or `rabbitmqadmin declare binding source={name} "
            f"destination={name}`",
            f"{_LOST}: the broker takes them and drops them",
        )
    return DEAD.ok("binding", f"the queue {name!r} is bound to the exchange {name!r}")


def _count(queue: QueueFacts, most_allowed: int) -> Finding:
    found = dead_letter_count.describe(queue.messages, most_allowed)
    if not dead_letter_count.many(queue.messages, most_allowed):
        return DEAD.ok("letters", found)
    change = "`python -m consumer dead list` shows them; replay or drop them, or raise DEAD_LETTER_BOUND and its policy"
    why = "when the queue is full and refuses, the requests that should go there hold places, and others wait"
    make = DEAD.problem if queue.messages >= most_allowed else DEAD.warning
    return make("letters", found, change, why)
