"""The permissions at the broker: exactly what is needed, printed as commands that a shell takes as they are."""

from __future__ import annotations

import re
import shlex

import pytest

from consumer.config import Amqp, Settings
from consumer.config.settings import JobType
from consumer.config.values import AuditSink
from consumer.permission_list import list_permissions, read_users, read_workers
from consumer.rabbitmq.permissions import NOTHING, Permissions, of_service, of_user
from tests.cases import check_all, for_each
from zeebe_amqp import strict

LAX, STRICT = Amqp(), Amqp(reply_exchange="zeebe.replies")
JOBS = [JobType("charge-card"), JobType("ship", queue_name="shipping")]

OF_USERS = [
    (LAX, (), (NOTHING, r"^amq\.default$", NOTHING), {}),
    (LAX, ("zeebe.jobs.a", "b"), (NOTHING, r"^amq\.default$", r"^(b|zeebe\.jobs\.a)$"), {}),
    (
        STRICT,
        (),
        (r"^reply\.ann\..*$", r"^(zeebe\.requests|reply\.ann\..*)$", r"^(zeebe\.replies|reply\.ann\..*)$"),
        {"zeebe.replies": ("^$", r"^ann\..*$")},
    ),
    (
        STRICT,
        ("b-c",),
        (
            r"^reply\.ann\..*$",
            r"^(zeebe\.jobs\.results|zeebe\.requests|reply\.ann\..*)$",
            r"^(b-c|zeebe\.replies|reply\.ann\..*)$",
        ),
        {"zeebe.replies": ("^$", r"^ann\..*$")},
    ),
]


def test_a_user_gets_what_requests_replies_and_jobs_need() -> None:
    def gets(amqp: Amqp, queues: tuple[str, ...], patterns: tuple[str, str, str], topics: object) -> None:
        found = of_user("ann", amqp, queues)
        assert (found.configure, found.write, found.read) == patterns
        assert found.topics == topics

    check_all(OF_USERS, gets)


NAMES = {
    # configure, write, read: of the service without strict replies, with them, and of both with jobs
    "zeebe.commands": ("cr", "cwr", "cr", "cwr"),
    "zeebe.polls": ("cr", "cwr", "cr", "cwr"),
    "zeebe.dead": ("cwr", "cwr", "cwr", "cwr"),
    "zeebe.dead.copies.1": ("cwr", "cwr", "cwr", "cwr"),
    "amq.default": ("w", "", "w", ""),
    "zeebe.replies": ("", "cwr", "", "cwr"),
    "zeebe.requests": ("", "cwr", "", "cwr"),
    "reply.zeebe.1": ("", "cwr", "", "cwr"),
    "reply.zeebe": ("", "", "", ""),
    "reply.ann.1": ("", "", "", ""),
    "zeebe.jobs": ("", "", "", "cwr"),
    "zeebe.jobs.results": ("", "", "cr", "cwr"),
    "zeebe.jobs.undone": ("", "", "cwr", "cwr"),
    "zeebe.jobs.dead": ("", "", "cwr", "cwr"),
    "zeebe.jobs.charge-card": ("", "", "cr", "cwr"),
    "shipping": ("", "", "cr", "cwr"),
    "zeebe_commands": ("", "", "", ""),
    "a zeebe.commands": ("", "", "", ""),
    "orders": ("", "", "", ""),
}


def test_the_service_gets_its_own_and_nothing_else() -> None:
    modes = [of_service("zeebe", amqp, jobs) for jobs in ([], JOBS) for amqp in (LAX, STRICT)]

    def gets(name: str, expected: tuple[str, ...]) -> None:
        assert tuple(may(name, each) for each in modes) == expected

    check_all(list(NAMES.items()), gets)


OF_AUDITS = [
    # configure, write, read of the name and of the default exchange
    (AuditSink("stream", "audit"), LAX, "c", "w"),
    (AuditSink("stream", "audit"), STRICT, "c", "w"),
    (AuditSink("exchange", "audit"), LAX, "w", "w"),
    (AuditSink("exchange", "audit"), STRICT, "w", ""),
    (AuditSink("file", "audit"), LAX, "", "w"),
    (AuditSink("stdout"), STRICT, "", ""),
]


def test_the_service_gets_what_its_audit_needs_and_nothing_else() -> None:
    def gets(audit: AuditSink, amqp: Amqp, of_name: str, of_default: str) -> None:
        found, without = of_service("zeebe", amqp, audit=audit), of_service("zeebe", amqp)
        assert (may("audit", found), may("amq.default", found)) == (of_name, of_default)
        assert [may(name, found) for name in NAMES if name != "amq.default"] == [
            may(name, without) for name in NAMES if name != "amq.default"
        ]

    check_all(OF_AUDITS, gets)


def may(name: str, permissions: Permissions) -> str:
    return "".join(what for what, pattern in patterns(permissions) if re.search(pattern, name) is not None)


def patterns(permissions: Permissions) -> list[tuple[str, str]]:
    return [("c", permissions.configure), ("w", permissions.write), ("r", permissions.read)]


def printed(amqp: Amqp, users: list[str], workers: dict[str, list[str]], jobs: list[JobType]) -> list[list[str]]:
    """The commands, as a shell reads them."""
    settings = Settings(amqp=amqp, jobs=tuple(jobs))
    lines = list(list_permissions(settings, users, workers))
    return [shlex.split(line) for line in lines if not line.startswith("#")]


def test_what_is_printed_gives_each_user_its_permissions_once() -> None:
    strict_one = Amqp(urls=("amqp://zeebe:secret@h/a%20b",), reply_exchange="zeebe.replies")
    users = ["ann", "it's b.b"]
    found = printed(strict_one, users, {"ann": ["charge-card", "ship"], "carl": ["x"]}, JOBS)
    assert [each[:5] for each in found] == [
        ["rabbitmqctl", what, "-p", "a b", user]
        for user in ("zeebe", "ann", "it's b.b", "carl")
        for what in ("set_permissions", *(["set_topic_permissions"] if user != "zeebe" else []))
    ]
    assert found[1][-1] == r"^(shipping|zeebe\.jobs\.charge-card|zeebe\.replies|reply\.ann\..*)$"
    assert found[4][-1] == r"^it:27s:20b:2Eb\..*$"
    assert "secret" not in str(found)
    assert [each[4] for each in printed(Amqp(urls=("amqps://ann@h?auth=external",)), ["ann"], {}, [])] == ["ann"]


@for_each(["", "-p", "two\nlines"])
def test_what_is_no_user_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="accepted: the name of a user of the broker"):
        read_users([name])
    with pytest.raises(ValueError, match="accepted: the name of a user of the broker"):
        read_workers([f"{name}=type"])


def test_workers_are_named_with_their_types() -> None:
    assert read_workers(["a=x", "b=y=z", "a=w"]) == {"a": ["x", "w"], "b": ["y=z"]}
    with pytest.raises(ValueError, match="found 'a'; accepted: USER=TYPE such as cards=charge-card"):
        read_workers(["a"])


def test_no_name_of_a_user_reaches_beyond_its_word() -> None:
    def stays(user: str) -> None:
        found = of_user(user, STRICT)
        _, topics = found.topics["zeebe.replies"]
        assert re.search(topics, strict.routing_key(user, "q"))
        for other in {"bob", "bob.q1", "b*", "#", "*", "a b", "ä", "bob:2Eq1"} - {user}:
            assert not re.search(topics, strict.routing_key(other, "q"))
            assert not re.search(found.read, strict.private_queues(other) + "1")

    check_all([(each,) for each in ("bob", "bob.q1", "b*", "#", "*", "a b", "ä", ".*", "bob:2Eq1")], stays)
