"""`python -m consumer permissions`: what gives users and the service the permissions that they need, and no more."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from consumer.config import Settings
from consumer.rabbitmq.permissions import commands, of_service, of_user
from zeebe_amqp.amqp.connection import login, vhost
from zeebe_amqp.jobs.names import job_queue

__all__ = ["list_permissions", "read_users", "read_workers"]

HEAD: Final = """\
# Who may do what in the virtual host {vhost}, {mode}.
# Each user needs to be there: `rabbitmqctl add_user NAME` asks for a password.
"""
LATER: Final = "# Start the service now: newer brokers take permissions on topics only of an exchange that is there."


def read_users(names: Sequence[str]) -> Sequence[str]:
    """Names as somebody gave them.

    Raises:
        ValueError: one is none.
    """
    for name in names:
        if not name or name.startswith("-") or not name.isprintable():
            raise ValueError(f"USER: found {name!r}; accepted: the name of a user of the broker")
    return names


def read_workers(texts: Sequence[str]) -> dict[str, list[str]]:
    """By user, the types of jobs in texts such as `cards=charge-card`.

    Raises:
        ValueError: a text is none of those.
    """
    workers: dict[str, list[str]] = {}
    for text in texts:
        user, separator, job_type = text.partition("=")
        if not separator or not job_type.isprintable():
            raise ValueError(f"--worker: found {text!r}; accepted: USER=TYPE such as cards=charge-card")
        workers.setdefault(user, []).append(job_type)
    read_users([*workers])
    return workers


def list_permissions(settings: Settings, users: Sequence[str], workers: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """The lines of a shell script.

    Args:
        settings: those of the service.
        users: who sends requests.
        workers: by user, the types of the jobs that it works on.
    """
    amqp, where = settings.amqp, vhost(settings.amqp.urls[0])
    exchange = amqp.reply_exchange
    mode = "without strict replies" if exchange is None else f"with strict replies through the exchange {exchange}"
    yield from HEAD.format(vhost=where, mode=mode).splitlines()
    queues = {each.name: each.queue for each in settings.jobs}
    service = login(amqp.urls[0])
    if service is not None:
        yield from map(_line, commands(of_service(service, amqp, settings.jobs, settings.audit), where))
    if exchange is not None:
        yield LATER
    for user in dict.fromkeys((*users, *workers)):
        types = workers.get(user, ())
        reads = [queues.get(each, job_queue(each)) for each in types]
        yield from map(_line, commands(of_user(user, amqp, reads), where))


def _line(arguments: Sequence[str]) -> str:
    return shlex.join(["rabbitmqctl", *arguments])
