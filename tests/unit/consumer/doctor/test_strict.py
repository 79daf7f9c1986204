"""What is said of the mode of replies, and of permissions that break strict ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from consumer.config import Amqp, Settings
from consumer.config.settings import JobType
from consumer.doctor.management import PermissionFacts, ask_permissions
from consumer.doctor.strict import breaches, judge_permissions, look_at_replies
from consumer.rabbitmq.permissions import Permissions, of_service, of_user
from tests.cases import check_all
from tests.unit.consumer.doctor.facts import OK, PROBLEM, UNSEEN, WARNING, expect

AMQP = Amqp(urls=("amqp://zeebe:geheim@broker",), reply_exchange="zeebe.replies")
SETTINGS = Settings(amqp=AMQP, jobs=(JobType("charge-card"),))
ANN, BOB = of_user("ann", AMQP), of_user("bob", AMQP)
ROOT = Permissions("root", ".*", ".*", ".*")
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
    ({"write": r"^zeebe\.jobs$"}, "may write to zeebe.jobs, and so forge jobs"),
    ({"read": r"zeebe\.jobs\.results"}, "may read zeebe.jobs.results, and so what other workers get and answer"),
    ({"read": r"zeebe\.jobs$"}, "may read zeebe.jobs, and so what other workers get and answer"),
    ({"configure": r"undone$"}, "may configure zeebe.jobs.undone, and so delete it"),
    ({"configure": r"^zeebe\.jobs\.charge"}, "may configure zeebe.jobs.charge-card, and so delete it"),
    ({"write": r"^zeebe\.jobs\.c.*$"}, "may write to zeebe.jobs.charge-card, and so forge jobs"),
    ({"write": r"^zeebe\.jobs\.dead$"}, "may write to zeebe.jobs.dead, and so put messages there"),
    ({"write": r"^zeebe\.(commands|requests)$"}, "may write to zeebe.commands, and so put messages there"),
    ({"topics": {"zeebe.replies": ("", r"\.reply\.b")}}, "may bind 'bob.reply.bob.0123456789abcdef' to zeebe.replies"),
    ({"topics": {"zeebe.replies": ("", r"^\*\.reply")}}, "may bind '*.reply.bob.0123456789abcdef' to zeebe.replies"),
    ({"topics": {"zeebe.replies": ("", "^ann")}}, "may bind 'ann-somebody-else.#' to zeebe.replies"),
    ({"topics": {"zeebe.replies": ("", r"ann\.")}}, "may bind 'somebody-else-ann.#' to zeebe.replies"),
    ({"topics": {"zeebe.replies": ("", "^{username}")}}, "may bind 'ann-somebody-else.#' to zeebe.replies"),
    ({"topics": {"zeebe.replies": ("", "^{client_id}[.]#$")}}, "may bind '*.#' to zeebe.replies"),
    ({"topics": {"zeebe.replies": ("", r"^[[:alpha:]]+\.")}}, "may bind '#' to zeebe.replies"),
    ({"read": "^reply.ann"}, "may read the reply queues of 'ann-somebody-else'"),
]


def test_each_permission_too_much_is_found() -> None:
    def is_found(changed: dict[str, Any], words: str) -> None:
        if "read" in changed:
            changed = {"topics": {"zeebe.replies": ("", r"^ann\.")}, **changed}
        found = list(breaches(replace(ANN, **changed), ["ann", "bob"], SETTINGS))
        assert found
        assert found[0] == words

    check_all(MORE, is_found)


def test_what_is_printed_is_not_too_much_whatever_the_names() -> None:
    users = ["ann", "bob", "ann.x", "*", "#", "a b", "ä", "zeebe"]
    for name in users:
        for queues in ((), ("zeebe.jobs.charge-card",)):
            assert list(breaches(of_user(name, AMQP, queues), users, SETTINGS)) == [], name
    assert list(breaches(Permissions("ann", "", "", ""), users, SETTINGS)) == []


def test_users_are_judged_and_neither_the_service_nor_administrators() -> None:
    facts = PermissionFacts((ANN, BOB, ROOT, service("zeebe")), frozenset({"root"}))
    above = "administrators may give themselves any: 'root'"
    expect(judge_permissions(facts, SETTINGS), OK, "none of 2 users", above, "the service is 'zeebe'")
    found = judge_permissions(replace(facts, administrators=frozenset()), SETTINGS)
    expect(found, PROBLEM, "1 of 3 users", "'root' may write to amq.default", "permissions USER")
    found = judge_permissions(replace(facts, permissions=(*facts.permissions, service("mallory"))), SETTINGS)
    expect(found, PROBLEM, "1 of 3 users", "'mallory' may write to zeebe.replies", above)
    found = judge_permissions(replace(facts, permissions=(*facts.permissions, reads("root"))), SETTINGS)
    expect(found, PROBLEM, "1 of 3 users", "'reader' may read the reply queues of 'root'")
    found = judge_permissions(replace(facts, permissions=(*facts.permissions, reads("zeebe"))), SETTINGS)
    expect(found, PROBLEM, "1 of 3 users", "'reader' may read the reply queues of 'zeebe'")
    found = judge_permissions(replace(facts, policymakers=frozenset({"root", "bob"})), SETTINGS)
    expect(
        found, PROBLEM, "1 of 2 users", "'bob' has the tag `policymaker`, and may lead the replies of others elsewhere"
    )
    many = tuple(Permissions("x" * 300 + str(number), write=".*") for number in range(1000))
    assert len(judge_permissions(PermissionFacts(many, frozenset()), SETTINGS).found) < 2000


def test_an_administrator_who_looks_is_told_who_the_service_is() -> None:
    """Who alone has what the service needs is the service."""
    settings = replace(SETTINGS, amqp=replace(AMQP, urls=("amqp://root@broker",)))
    facts = PermissionFacts((ANN, ROOT, service("zeebe")), frozenset({"root"}))
    expect(judge_permissions(facts, settings), OK, "none of 1 users", "the service is 'zeebe'")
    found = judge_permissions(replace(facts, permissions=(*facts.permissions, service("mallory"))), settings)
    expect(found, PROBLEM, "2 of 3 users", "'mallory' may write to zeebe.replies")
    more = replace(service("zeebe"), write=".*")
    found = judge_permissions(replace(facts, permissions=(ANN, ROOT, more)), settings)
    expect(found, PROBLEM, "1 of 2 users", "'zeebe' may write to amq.default")


def reads(user: str) -> Permissions:
    """Those of somebody who may read the reply queues of this user, too."""
    return replace(of_user("reader", AMQP), read=rf"^(zeebe\.replies|reply\.(reader|{user})\..*)$")


def service(user: str) -> Permissions:
    """Those that a service gets under this name."""
    return of_service(user, AMQP, SETTINGS.jobs)


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
        "/api/users": [{"name": "root", "tags": ["administrator"]}, {"name": "ann", "tags": "policymaker"}],
    }  # fmt: skip

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(answers[request.raw_path])

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    async with TestServer(application) as server:
        found = await ask_permissions(str(server.make_url("/")), AMQP)
    ann, root = Permissions("ann", "", "w", "r", {"x": ("a", "b")}), Permissions("root", "", "", "")
    assert found == PermissionFacts((ann, root), frozenset({"root"}), frozenset({"ann"}))
