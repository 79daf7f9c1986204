"""What is said of the mode of replies, and of permissions that break strict ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from consumer.config import Amqp, Settings
from consumer.doctor.management import PermissionFacts, ask_permissions
from consumer.doctor.strict import breaches, judge_permissions, look_at_replies
from consumer.rabbitmq.permissions import Permissions, of_service, of_user
from tests.cases import check_all
from tests.unit.consumer.doctor.facts import OK, PROBLEM, UNSEEN, WARNING, expect

AMQP = Amqp(urls=("amqp://zeebe:geheim@broker",), reply_exchange="zeebe.replies")
ANN, BOB = of_user("ann", AMQP), of_user("bob", AMQP)
TOPIC = {"zeebe.replies": ("^$", ".*")}

MORE: list[tuple[dict[str, Any], str]] = [
    ({"write": ".*"}, "may write to amq.default, and so into every queue"),
    ({"write": "default"}, "may write to amq.default, and so into every queue"),
    ({"write": "^zeebe"}, "may write to zeebe.replies, and so forge replies"),
    ({"write": r"^reply\."}, "may write to the reply queues of 'bob'"),
    ({"topics": {}}, "has no topic permissions on zeebe.replies, and may bind all replies"),
    ({"topics": {"other": ("", "^$")}}, "has no topic permissions on zeebe.replies, and may bind all replies"),
    ({"topics": {"zeebe.replies": ("", ".*")}}, "may bind '#' to zeebe.replies"),
    ({"topics": {"zeebe.replies": ("", r"^\*")}}, "may bind '*.#' to zeebe.replies"),
    ({"topics": {"zeebe.replies": ("", r"b\..*$")}}, "may bind 'bob.#' to zeebe.replies"),
    ({"topics": {"zeebe.replies": ("", r"^(ann|somebody-else)\.")}}, "may bind 'somebody-else.#' to zeebe.replies"),
    ({"topics": {"zeebe.replies": ("", "(")}}, "may bind '#' to zeebe.replies"),
    ({"configure": "replies"}, "may configure zeebe.replies, and so delete it"),
    ({"configure": r"zeebe\.requests"}, "may configure zeebe.requests, and so delete it"),
    ({"configure": r"^reply\.b"}, "may configure the reply queues of 'bob'"),
    ({"read": r"zeebe\.requests"}, "may read zeebe.requests, and so the requests of others"),
    ({"read": r"zeebe\.polls"}, "may read zeebe.polls, and so the requests of others"),
    ({"read": r"dead"}, "may read zeebe.dead, and so the requests of others"),
    ({"read": r"reply\.(ann|bob)\."}, "may read the reply queues of 'bob'"),
]


def test_each_permission_too_much_is_found() -> None:
    def is_found(changed: dict[str, Any], words: str) -> None:
        if "read" in changed:
            changed = {"topics": {"zeebe.replies": ("", r"^ann\.")}, **changed}
        found = list(breaches(replace(ANN, **changed), ["ann", "bob"], AMQP))
        assert found
        assert found[0] == words

    check_all(MORE, is_found)


def test_what_is_printed_is_not_too_much_whatever_the_names() -> None:
    users = ["ann", "bob", "ann.x", "*", "#", "a b", "ä", "zeebe"]
    for name in users:
        for queues in ((), ("zeebe.jobs.charge-card",)):
            assert list(breaches(of_user(name, AMQP, queues), users, AMQP)) == [], name
    assert list(breaches(Permissions("ann", "", "", ""), users, AMQP)) == []


def test_users_are_judged_and_neither_the_service_nor_administrators() -> None:
    root, service = Permissions("root", ".*", ".*", ".*"), of_service("zeebe", AMQP)
    facts = PermissionFacts((ANN, BOB, root, service), frozenset({"root"}))
    expect(judge_permissions(facts, AMQP), OK, "none of 2 users", "administrators may give themselves any: 'root'")
    found = judge_permissions(replace(facts, administrators=frozenset()), AMQP)
    expect(found, PROBLEM, "1 of 3 users", "'root' may write to amq.default", "permissions USER")
    many = tuple(Permissions("x" * 300 + str(number), write=".*") for number in range(1000))
    assert len(judge_permissions(PermissionFacts(many, frozenset()), AMQP).found) < 2000


async def test_the_mode_is_always_told() -> None:
    [mode] = await look_at_replies(Settings(), None)
    expect(mode, OK, "lax", "REPLY_EXCHANGE makes them strict")
    mode, permissions = await look_at_replies(Settings(amqp=AMQP), None)
    expect(mode, OK, "strict: through the exchange 'zeebe.replies'")
    expect(permissions, UNSEEN, "not looked at", "--management URL")
    _, permissions = await look_at_replies(Settings(amqp=AMQP), "http://127.0.0.1:1")
    expect(permissions, WARNING, "not seen: http://127.0.0.1:1 was not reached", "`administrator`")
    assert "geheim" not in str(permissions)


async def test_permissions_are_read_from_the_management_api() -> None:
    answers: dict[str, Any] = {
        "/api/vhosts/%2F/permissions": [
            {"user": "ann", "vhost": "/", "configure": "", "write": "w", "read": "r"}, {"user": "root"}
        ],
        "/api/vhosts/%2F/topic-permissions": [{"user": "ann", "exchange": "x", "write": "a", "read": "b"}, {}],
        "/api/users": [{"name": "root", "tags": ["administrator"]}, {"name": "ann", "tags": ""}],
    }  # fmt: skip

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(answers[request.raw_path])

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    async with TestServer(application) as server:
        found = await ask_permissions(str(server.make_url("/")), AMQP)
    ann, root = Permissions("ann", "", "w", "r", {"x": ("a", "b")}), Permissions("root", "", "", "")
    assert found == PermissionFacts((ann, root), frozenset({"root"}))
