"""What is said of others who log in as the service, and of users who may send under any name."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from consumer.config import Amqp
from consumer.doctor.finding import Level
from consumer.doctor.identity import judge_identity, look_at_identity, unasked
from consumer.doctor.management import Connection, LoginFacts, ManagementError, ask_logins
from tests.cases import check_all, for_each
from tests.unit.consumer.doctor.facts import OK, UNSEEN, WARNING, by_subject, expect

OURS = tuple(Connection(f"zeebe-amqp {name}", "10.0.0.1") for name in ("publish", "consume", "consume polls"))
USERS, CONNECTIONS = "identity: users", "identity: connections"
AMQP = Amqp(urls=("amqp://ann:geheim@broker",))

CASES: list[tuple[Any, ...]] = [
    ((), (), CONNECTIONS, OK, "all 0 of user 'ann'", "from nowhere"),
    (OURS, (), CONNECTIONS, OK, "all 3 of user 'ann' are named as the service's, from '10.0.0.1'", "compare the hosts"),
    ((*OURS, Connection("mine", "h")), (), CONNECTIONS, OK, "all 4", "'10.0.0.1', 'h'"),
    ((*OURS, Connection("zeebe-amqp-client", "h")), (), CONNECTIONS, WARNING, "1 other", "'zeebe-amqp-client from h'"),
    ((Connection("zeebe-amqp-watch", "h"),), (), CONNECTIONS, WARNING, "1 other", "a user of its own"),
    ((Connection("", "h"),), (), CONNECTIONS, WARNING, "'without a name from h'"),
    ((Connection("x" * 9000, "h"),) * 9, (), CONNECTIONS, WARNING, "9 other", "x' and 4 more"),
    (OURS, (), USERS, OK, "nobody has the tag `impersonator`"),
    (OURS, ("ben", "cy"), USERS, WARNING, "2 users", "'ben', 'cy'", "set_user_tags"),
    (OURS, None, USERS, UNSEEN, "user 'ann' may not list users", "`administrator`", "list_users"),
]


def test_each_fact_has_its_finding() -> None:
    def is_found(connections: Any, users: Any, subject: str, level: Level, *words: str) -> None:
        found = by_subject(judge_identity(LoginFacts("ann", connections, users), "mine"))[subject]
        expect(found, level, *words)
        assert len(found.found) < 600

    check_all(CASES, is_found)


@for_each([("amqp://ann@a", "'ann'", True), ("amqps://ann@a?auth=external", "the service", False)])
def test_without_the_management_api_one_line_says_how_to_look(url: str, who: str, option: bool) -> None:
    finding = unasked(Amqp(urls=(url,)))
    expect(finding, UNSEEN, f"who else logs in as {who}", "rabbitmqctl list_connections", "rabbitmqctl list_users")
    assert ("--management" in finding.change) is option


async def told(connections: Any, users: Any) -> LoginFacts:
    """What is made of the answers of a management API."""

    async def answer(request: web.Request) -> web.StreamResponse:
        found = users if request.path == "/api/users" else connections
        return web.Response(status=found) if isinstance(found, int) else web.json_response(found)

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    async with TestServer(application) as server:
        return await ask_logins(str(server.make_url("/")), AMQP)


async def test_connections_of_the_login_and_tags_of_users_are_read_whatever_their_form() -> None:
    found = await told(
        [
            {"user": "ann", "peer_host": "h", "client_properties": {"connection_name": "zeebe-amqp consume"}},
            {"user": "ann", "client_properties": {"connection_name": 5}},
            {"user": "ann", "peer_host": "h", "client_properties": []},
            {"user": "ben", "peer_host": "h"},
            {},
        ],
        [{"name": "a", "tags": "management,impersonator"}, {"name": "b", "tags": ["impersonator"]}, {"name": "c"}],
    )
    assert found.connections == (
        Connection("zeebe-amqp consume", "h"), Connection("", "an unknown host"), Connection("", "h")
    )  # fmt: skip
    assert found.impersonators == ("a", "b")
    many = [{"user": "ann", "peer_host": "h" * 100} for _ in range(20_000)]
    found = await told(many, 401)
    assert (len(found.connections), found.impersonators) == (20_000, None)


async def test_what_does_not_tell_becomes_a_finding() -> None:
    for connections, users in ((500, []), ({}, []), ([1], []), ([], {}), (401, [])):
        with pytest.raises(ManagementError):
            await told(connections, users)
    [finding] = await look_at_identity(AMQP, "http://127.0.0.1:1")
    expect(finding, WARNING, "not seen: http://127.0.0.1:1 was not reached", "set_user_tags ann management")
    assert "geheim" not in str(finding)
