"""Who may do what, from queue to gateway: every operation by two users of the broker and by nobody in particular.

The gateway is the fake one, which counts: what is denied never reaches it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.rights import asking, records, table
from benchmarks.rights.cases import CASES, MARKER, Values
from benchmarks.rights.rules import ALICE, EVERYBODY, MALLORY, reply_queue
from benchmarks.rights.setup import Site, add_users, delete_users, running
from scripts.rabbitmq import RabbitMQ
from tests.fakes.background import background
from tests.fakes.gateway import FakeGateway
from tests.integration.broker_control import VirtualHost


@pytest.fixture(scope="module")
def gateway() -> Iterator[FakeGateway]:
    """A gateway that knows every operation."""
    with background(FakeGateway(version="8.9.0")) as started:
        yield started.gateway


@pytest.fixture(scope="module")
def site(
    shared_node: RabbitMQ, vhost: VirtualHost, gateway: FakeGateway, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A service with the policy and an audit."""
    add_users(shared_node, vhost.name)
    host = vhost.url.rpartition("@")[2]
    with running(tmp_path_factory.mktemp("rights"), vhost.url, host, gateway.address, {}) as started:
        yield started
    delete_users(shared_node)


async def test_everybody_may_do_what_the_policy_says_and_nothing_else_and_all_of_it_is_recorded(
    site: Site, gateway: FakeGateway
) -> None:
    reached: Counter[bool] = Counter()
    asked = []
    before = len(gateway.requests)
    async for each in asking.ask_all(site):
        arrived = [request for request in gateway.requests[before:] if request.rpc != "Topology"]
        before = len(gateway.requests)
        denied = table.is_denied(each.reply)
        assert not (denied and arrived), f"{each.case.name}, {each.user}: denied, and executed"
        reached[bool(arrived)] += 1
        asked.append(each)
    answers = await asking.compared(site, asked)
    assert table.problems(answers) == []
    assert len(answers) == len(CASES) * len(EVERYBODY)
    assert reached[True] > len(CASES) / 2
    found = records.distinct(site.records())
    assert len(found) == len(answers)
    assert {record["user"] for record in found} == {ALICE, MALLORY, None}
    for file in (site.audit, site.consumer.log):
        assert not records.contains(Path(file), MARKER), file


async def test_nobody_can_send_in_another_s_name_or_read_another_s_replies(site: Site) -> None:
    case = next(case for case in CASES if case.operation == "create-instance" and case.allowed == (ALICE,))
    async with site.caller(MALLORY) as caller:
        with pytest.raises(Exception, match="user_id property set to 'alice' but authenticated user was 'mallory'"):
            await caller.request(case.body(Values()), user_id=ALICE, seconds=5)
    async with site.caller(ALICE) as alice, site.caller(MALLORY) as mallory:
        assert alice.reply_to.startswith(reply_queue(ALICE, ""))
        with pytest.raises(Exception, match="ACCESS_REFUSED"):
            await mallory.get(alice.reply_to, seconds=5)
