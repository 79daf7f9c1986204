"""The broker itself: version, limits, alarms, and what our login may do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from consumer.config import Settings
from consumer.doctor.finding import Finding, Section
from consumer.rabbitmq import BrokerFacts
from consumer.rabbitmq.permissions import DEFAULT_EXCHANGE
from consumer.rabbitmq.release import OLDEST, PRODUCT, version
from zeebe_amqp import wire

__all__ = ["judge_broker", "unreached", "untold"]

BROKER: Final = Section("broker")
CONSUMER_TIMEOUT: Final = 1800.0
"""Seconds after which a broker ends a channel on which a delivery was not acknowledged, unless it is told otherwise."""
MIN_FRAME: Final = 4096
"""Bytes of a frame that the protocol has at least."""
MIN_CHANNELS: Final = 16
"""Channels that one connection needs: one for each of its queues, one to publish, a few for declarations."""
CONNECTIONS: Final = 3
CONNECTIONS_OF_JOBS: Final = 2
"""Beside those, where jobs are pushed to queues: one publishes jobs, one takes their answers."""


def unreached(problem: str) -> Finding:
    """No broker, so nothing is known of its queues either."""
    return BROKER.problem(
        "connection",
        problem,
        "start the broker, or correct AMQP_URL, its user and its virtual host",
        "without a broker the service takes no request; queues and dead letters could not be looked at",
    )


def untold(problem: str, login: str | None) -> Finding:
    """The management API was to be asked, and did not tell."""
    return BROKER.warning(
        "management",
        problem,
        f"`rabbitmqctl set_user_tags {login or 'USER'} management` lets our login look, and `rabbitmq-plugins enable "
        "rabbitmq_management` starts the API; without --management, run the commands that the findings name",
        "policies and the binding of the dead letters were not seen",
    )


def judge_broker(facts: BrokerFacts, settings: Settings) -> Iterator[Finding]:
    """Everything about the broker that is not about one queue."""
    cluster = f", cluster {facts.cluster!r}" if facts.cluster else ""
    yield BROKER.ok("connection", f"{facts.product} {facts.version} at {facts.host}{cluster}")
    yield _version(facts)
    yield _alarm(facts)
    yield _right(facts, settings.amqp.reply_exchange)
    yield _user_id(facts)
    yield _size(facts)
    yield _limits(facts)
    yield _user_limits(facts, settings)
    yield _consumer_timeout(settings)


def _version(facts: BrokerFacts) -> Finding:
    found = version(facts.version)
    said = f"{facts.product} {facts.version}".strip() or "it does not say what it is"
    if facts.product != PRODUCT or found is None:
        return BROKER.warning(
            "version",
            f"found {said}; accepted: RabbitMQ 3.10 or newer",
            "use RabbitMQ",
            "quorum queues, delivery limits and dead-lettering at least once are RabbitMQ's",
        )
    if found < OLDEST:
        return BROKER.problem(
            "version",
            f"found {said}; accepted: 3.10 or newer",
            "upgrade the broker",
            "an older one has no dead-lettering at least once: a request that the broker gives up may be lost",
        )
    if found[0] >= 4:
        return BROKER.ok(
            "version",
            f"{facts.version}; from 4.0 on every quorum queue has a delivery limit of 20 unless it says otherwise, "
            f"{wire.DEAD_LETTER!r} too, and messages have 16 MiB at most by default",
        )
    return BROKER.ok("version", f"{facts.version}; quorum queues without x-delivery-limit have none before 4.0")


def _alarm(facts: BrokerFacts) -> Finding:
    if facts.alarm:
        return BROKER.problem(
            "alarm",
            "the broker takes no messages: it has a memory or disk alarm",
            "see `rabbitmq-diagnostics alarms`; free memory or disk, or raise vm_memory_high_watermark or "
            "disk_free_limit",
            "no reply and no dead letter can be published, so the service starts nothing new",
        )
    return BROKER.ok("alarm", "none: it takes messages")


def _right(facts: BrokerFacts, exchange: str | None) -> Finding:
    name, called = exchange or DEFAULT_EXCHANGE, "the default exchange" if exchange is None else repr(exchange)
    user = facts.login or "USER"
    shown = f"`rabbitmqctl list_user_permissions {user}` shows the patterns in force"
    why = f"replies go through {called}, and the service runs nothing until it may publish"
    if facts.writing:
        change = (
            f"`rabbitmqctl set_permissions --vhost VHOST {user} CONFIGURE WRITE READ` with a pattern for WRITE that "
            f"matches {name!r}; {shown}"
        )
        return BROKER.problem("right to reply", facts.writing, change, why)
    if facts.alarm:
        return BROKER.unseen(
            "right to reply", "not answered during the alarm", f"{shown}: WRITE must match {name!r}", why
        )
    return BROKER.ok("right to reply", f"may write to {called}")


def _user_id(facts: BrokerFacts) -> Finding:
    if facts.user_id:
        return BROKER.warning(
            "user_id",
            facts.user_id,
            f"give AMQP_URL the name that the broker knows the user by; found {facts.login!r}",
            "replays of dead letters say who sends them, and the broker refuses another name than the login's",
        )
    if facts.login is None or facts.alarm or facts.writing:
        return BROKER.unseen(
            "user_id",
            "not tried: "
            + ("a certificate or a token says who we are" if facts.login is None else "nothing can be published"),
            "`rabbitmqctl list_connections user name` shows the name",
            "replays of dead letters say who sends them, and the broker refuses another name than the login's",
        )
    return BROKER.ok("user_id", f"the broker takes messages of user {facts.login!r}")


def _size(facts: BrokerFacts) -> Finding:
    largest = f"{wire.MAX_BODY // 2**20} MiB"
    if facts.largest:
        return BROKER.problem(
            "message size",
            f"a message of {largest} is refused: {facts.largest}",
            f"set max_message_size to {wire.MAX_BODY + 2**20} or more in rabbitmq.conf; the default is 16 MiB from 4.0 "
            "on, and 128 MiB before",
            "callers may send requests of this size, and a dead letter is as large as its request",
        )
    if facts.alarm or facts.writing:
        return BROKER.unseen(
            "message size",
            "not tried: nothing can be published",
            f"`rabbitmqctl eval 'application:get_env(rabbit, max_message_size).'` must be {wire.MAX_BODY} or more",
            "callers may send requests of this size",
        )
    return BROKER.ok("message size", f"a message of {largest} is taken, the largest that a request may be")


def _limits(facts: BrokerFacts) -> Finding:
    limits = facts.limits
    found = f"frame_max {limits.frame_max}, channel_max {limits.channel_max}, heartbeat {limits.heartbeat} s"
    if 0 < limits.channel_max < MIN_CHANNELS:
        return BROKER.problem(
            "limits",
            f"{found}; accepted: a channel_max of {MIN_CHANNELS} or more, or 0",
            f"set channel_max to {MIN_CHANNELS} or more in rabbitmq.conf",
            "each request queue has a channel, and so have publishing and declaring",
        )
    if limits.heartbeat == 0:
        return BROKER.warning(
            "limits",
            f"{found}; accepted: a heartbeat of a few seconds",
            "leave `heartbeat` out of AMQP_URL, which gives 10",
            "without heartbeats a dead connection is noticed only after minutes, and its requests wait as long",
        )
    if 0 < limits.frame_max < MIN_FRAME:
        return BROKER.warning(
            "limits",
            f"{found}; accepted: a frame_max of {MIN_FRAME} or more, or 0",
            "leave frame_max out of rabbitmq.conf, which gives 131072",
            "large messages are cut into many frames",
        )
    return BROKER.ok("limits", found)


def _user_limits(facts: BrokerFacts, settings: Settings) -> Finding:
    user = facts.login or "USER"
    number = CONNECTIONS + (CONNECTIONS_OF_JOBS if settings.jobs else 0)
    return BROKER.unseen(
        "limits of the user",
        "AMQP shows them only when they are reached; this connection was let in",
        f"`rabbitmqctl list_user_limits --user {user}` and `rabbitmqctl list_vhost_limits` must allow "
        f"{number} connections for each replica, and one more for each command such as this",
        "what does not get its connection does not consume, or does not reply",
    )


def _consumer_timeout(settings: Settings) -> Finding:
    longest = settings.forget_retry + settings.zeebe.request_timeout
    command = "`rabbitmqctl eval 'application:get_env(rabbit, consumer_timeout).'`"
    why = (
        "the broker ends a channel on which a delivery waits for its acknowledgement longer than that, and delivers "
        "everything on it again; it tells nobody its own value over AMQP"
    )
    held = f"a request is held for up to {longest:g} s (FORGET_RETRY and ZEEBE_REQUEST_TIMEOUT)"
    if longest >= CONSUMER_TIMEOUT:
        return BROKER.warning(
            "consumer_timeout",
            f"{held}; the broker's default is {CONSUMER_TIMEOUT:g} s",
            f"set consumer_timeout to more than {longest * 1000:.0f} ms in rabbitmq.conf, or lower FORGET_RETRY; "
            f"{command} shows it",
            why,
        )
    return BROKER.unseen(
        "consumer_timeout",
        f"{held}; the broker's default of {CONSUMER_TIMEOUT:g} s is more. A caller's own requestTimeout counts, too",
        f"if you have lowered it: {command} must be more than {longest * 1000:.0f} ms",
        why,
    )
