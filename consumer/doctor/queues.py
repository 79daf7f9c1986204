"""The request queues: there, of the right kind, bounded, read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from consumer.config import Amqp
from consumer.doctor.finding import Finding, Section
from consumer.doctor.management import QueuePolicy
from consumer.rabbitmq.differences import Difference
from consumer.rabbitmq.examination import BrokerFacts
from consumer.rabbitmq.look import QueueFacts
from consumer.rabbitmq.release import version
from zeebe_amqp import wire

__all__ = ["BOUNDS", "Policies", "bound", "describe", "failing", "judge_arguments", "judge_queues", "judge_rights"]

QUEUES: Final = Section("queues")
BOUNDS: Final = ("x-max-length", "x-max-length-bytes")

Policies: TypeAlias = Mapping[str, QueuePolicy]
"""What the management API said of queues, by name; of a queue that is missing there nothing is known."""

_WHY: Final[Mapping[str, str]] = {
    "x-queue-type": "only a quorum queue keeps requests when a node is lost, and counts deliveries",
    "durable": "a queue that is not durable is gone, with its requests, when the broker restarts",
    "x-delivery-limit": "a request that kills the service each time is delivered again and again, or is given up early",
    "x-dead-letter-exchange": "what the broker gives up goes elsewhere, or is gone",
    "x-dead-letter-strategy": "what the broker gives up can be lost on its way to the dead letters",
    "x-overflow": "a full queue drops its oldest request unseen, instead of refusing the newest",
    "x-message-ttl": "requests that wait for longer are dropped or become dead letters, whatever their deadline is",
    "x-expires": "the queue is deleted when nobody uses it, with the requests in it",
    "x-single-active-consumer": "only one replica gets requests; the others wait for its end",
    "x-max-priority": "a quorum queue has no priorities by this argument",
}
"""What it means when an argument differs."""


def judge_queues(facts: BrokerFacts, amqp: Amqp, policies: Policies) -> Iterator[Finding]:
    """Everything about the request queues."""
    for queue in facts.queues:
        there = _there(queue, amqp)
        yield there
        if queue.there and not queue.locked:
            yield from judge_arguments(QUEUES, queue, amqp, wire.queue_arguments(queue.name))
            yield from judge_rights(QUEUES, queue, amqp)
            yield _delivery_limit(queue, facts.version)
            yield bound(QUEUES, queue, policies.get(queue.name))
            yield _readers(queue)


def _there(queue: QueueFacts, amqp: Amqp) -> Finding:
    if queue.locked:
        return QUEUES.problem(
            queue.name,
            "it belongs exclusively to another connection",
            "end that connection (`rabbitmqctl list_queues name exclusive owner_pid`), or name another queue in "
            "AMQP_QUEUES",
            "nobody else can use it",
        )
    if queue.failing:
        return failing(QUEUES, queue)
    if queue.there is None:
        return QUEUES.unseen(
            queue.name,
            "not allowed to look",
            f"`rabbitmqctl list_queues name type arguments messages consumers` must show {queue.name!r}",
            "the service needs it",
        )
    if queue.there:
        return QUEUES.ok(queue.name, f"{queue.messages} messages wait, {queue.consumers} consumers")
    if amqp.declare == "passive":
        return QUEUES.problem(
            queue.name,
            "it is not there, and AMQP_DECLARE=passive",
            f"declare it with {_shown(wire.queue_arguments(queue.name))}, or set AMQP_DECLARE=active",
            "callers' requests are lost without a word when no queue takes them, and the service does not start "
            "consuming",
        )
    return QUEUES.warning(
        queue.name,
        "it is not there yet; the service declares it (whether it may is not seen before)",
        "start the service",
        "until then requests are lost without a word, unless their caller asks for a confirm",
    )


def failing(section: Section, queue: QueueFacts) -> Finding:
    """A queue that does not answer."""
    return section.problem(
        queue.name,
        f"it does not answer: {queue.failing}",
        "see `rabbitmqctl list_queues name type state leader online`: start the nodes of its members; a quorum queue "
        "needs more than half of them",
        "nothing can be published to it or taken from it",
    )


def judge_arguments(section: Section, queue: QueueFacts, amqp: Amqp, ours: Mapping[str, Any]) -> Iterator[Finding]:
    """A finding for each argument that differs from ours; one when none does."""
    subject = f"{queue.name}: arguments"
    if queue.arguments is None:
        yield section.unseen(
            subject,
            f"they can be compared only with the right to configure the queue ({queue.declaring})",
            f"`rabbitmqctl list_queues name durable arguments` must show {_shown(ours)}",
            "a queue of another kind may lose requests",
        )
    elif not queue.differences:
        yield section.ok(subject, _shown(queue.arguments))
    for each in queue.differences:
        yield _difference(section, queue, each, amqp)


def _difference(section: Section, queue: QueueFacts, difference: Difference, amqp: Amqp) -> Finding:
    argument, ours, _ = difference
    found = describe(difference)
    subject = f"{queue.name}: {argument}"
    why = _WHY.get(argument, "the queue behaves otherwise than the documentation says")
    delete = f"an argument cannot be changed: delete the queue when it is empty (`rabbitmqctl delete_queue {queue.name}"
    if amqp.declare == "active":
        change = f"{delete} --if-empty`) and let the service declare it, or take it as it is with AMQP_DECLARE=passive"
        return section.problem(
            subject, found, change, f"the broker refuses our declaration, so nothing is consumed; {why}"
        )
    if argument in BOUNDS:
        return section.ok(subject, f"{found}; taken as it is with AMQP_DECLARE=passive")
    change = f"{delete} --if-empty`) and declare it with {argument} {_value(ours)}"
    return section.warning(subject, f"{found}; taken as it is with AMQP_DECLARE=passive", change, why)


def describe(difference: Difference) -> str:
    """In what a queue differs."""
    argument, ours, theirs = difference
    return f"{argument} is {_value(theirs)}; the service declares {_value(ours)}"


def judge_rights(section: Section, queue: QueueFacts, amqp: Amqp) -> Iterator[Finding]:
    """What our login may not do with the queue, as far as it has to."""
    if queue.declaring and amqp.declare == "active":
        yield section.problem(
            f"{queue.name}: rights",
            queue.declaring,
            "give the right, or declare the queue yourself and set AMQP_DECLARE=passive",
            "the service declares its queues with each connection, and consumes nothing when it may not",
        )
    if queue.reading and queue.name != wire.DEAD_LETTER:
        yield section.problem(
            f"{queue.name}: rights",
            queue.reading,
            f"`rabbitmqctl set_permissions` with a pattern for read that matches {queue.name!r}",
            "the service may not consume",
        )


def _delivery_limit(queue: QueueFacts, broker: str) -> Finding:
    subject = f"{queue.name}: delivery limit"
    arguments = queue.arguments
    if arguments is None:
        return QUEUES.unseen(
            subject,
            "not seen without the right to configure the queue",
            f"`rabbitmqctl list_queues name arguments` must show x-delivery-limit for {queue.name!r}",
            "without one a request that kills the service each time is delivered for ever, on brokers before 4.0",
        )
    number = version(broker)
    limit = arguments.get("x-delivery-limit")
    if limit is None or arguments.get("x-queue-type") != "quorum":
        if number is not None and number >= (4, 0) and arguments.get("x-queue-type") == "quorum":
            return QUEUES.ok(subject, "none of its own; the broker's default is 20 from 4.0 on")
        return QUEUES.warning(
            subject,
            "none",
            "declare the queue with x-delivery-limit 20, or give it a policy with delivery-limit",
            "a request that kills the service each time is delivered for ever",
        )
    return QUEUES.ok(subject, f"{limit}, then the broker makes a dead letter of it")


def bound(section: Section, queue: QueueFacts, policy: QueuePolicy | None) -> Finding:
    """What keeps the queue from filling the disk."""
    subject = f"{queue.name}: bound"
    known = queue.arguments or {}
    if own := [f"{name} {known[name]}" for name in BOUNDS if name in known]:
        return section.ok(subject, ", ".join(own))
    set_one = (
        f"`rabbitmqctl set_policy NAME '^{queue.name}$' "
        """'{"max-length-bytes": BYTES, "overflow": "reject-publish"}' --apply-to queues` sets one"""
    )
    why = "without a bound the disk is the bound, and when that is full the broker stops everyone who publishes"
    if policy is None:
        return section.unseen(
            subject,
            "no x-max-length as an argument; AMQP does not show policies",
            f"`rabbitmqctl list_queues name policy effective_policy_definition` shows them, and so does --management; "
            f"{set_one}",
            why,
        )
    if bounds := {name: value for name, value in policy.definition.items() if name.startswith("max-length")}:
        return _by_policy(section, subject, bounds, policy)
    return section.warning(subject, f"none; {policy.described()}", set_one, why)


def _by_policy(section: Section, subject: str, bounds: Mapping[str, Any], policy: QueuePolicy) -> Finding:
    found = f"{', '.join(f'{name} {value}' for name, value in bounds.items())}; {policy.described()}"
    length, waiting = bounds.get("max-length"), policy.messages
    if isinstance(length, int) and waiting >= length:
        return section.problem(
            subject,
            f"{found}; {waiting} messages: it is full",
            "have it read, or raise the bound in the policy",
            "a full queue refuses what is published to it",
        )
    return section.ok(subject, found)


def _readers(queue: QueueFacts) -> Finding:
    subject = f"{queue.name}: consumers"
    if not queue.consumers:
        return QUEUES.warning(
            subject,
            f"none; {queue.messages} messages wait",
            "start the service; if it runs, see its log and /readyz: it consumes nothing while gateway or ledger are "
            "away",
            "nobody answers the requests in the queue",
        )
    if queue.messages:
        return QUEUES.warning(
            subject,
            f"{queue.consumers}, and {queue.messages} messages waited for a second and more",
            "see /readyz and `zeebe_amqp_in_flight`; when all places are taken all the time, raise CONCURRENCY or "
            "start another replica",
            "consumers take nothing while all their places are taken or while they are paused",
        )
    return QUEUES.ok(subject, f"{queue.consumers}, and nothing waits")


def _shown(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in arguments.items()) or "no arguments"


def _value(value: Any) -> str:
    return "not set" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
