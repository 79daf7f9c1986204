"""Requests from the console's form go through the queue to a real engine, like anybody's."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from consumer.console.operations import operations
from consumer.console.token import NAME
from scripts.consumer import Consumer
from tests.browser import Answer, Browser, opened
from tests.cases import check_each
from tests.conftest import Broker, Engine
from tests.integration.service import MEASURED, running_consumer

POLICY = """
version = 1
[roles.look]
operations = ["topology"]
[users]
guest = ["look"]
"""


@pytest.fixture(scope="module")
def trying(rabbitmq: Broker, zeebe: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consumer]:
    """A service with a console."""
    settings = {"CONSOLE": "on", "LOG_FORMAT": "json", **MEASURED}
    with running_consumer(tmp_path_factory.mktemp("trying"), rabbitmq.url, zeebe.address, settings) as running:
        yield running


@pytest.fixture
async def browser(trying: Consumer) -> AsyncIterator[Browser]:
    """Somebody who is logged in there."""
    async with opened(trying.port) as made:
        await made.log_in(token(trying))
        yield made


def token(service: Consumer) -> str:
    return (service.directory / "state" / NAME).read_text().strip()


async def send(browser: Browser, body: str, **more: str) -> Answer:
    """Send a body by the form."""
    csrf = (await browser.ask("/console/send/topology")).csrf
    return await browser.send("/console/send", {"csrf": csrf, "body": body, "seconds": "20", **more})


async def test_the_example_of_every_operation_gets_its_reply(trying: Consumer, browser: Browser) -> None:
    traces = set()

    async def is_answered(name: str) -> None:
        body = json.loads(operations()[name].examples[0][1])
        if "requestTimeout" in (body.get("data") or {}):
            body["data"]["requestTimeout"] = "1s"
        page = await send(browser, json.dumps(body), operation=name)
        assert page.status == 200
        assert "no reply" not in page.words
        assert f'"operation": "{name}"' in page.words
        [trace] = {each for each in page.words.split() if len(each) == 32 and set(each) <= set("0123456789abcdef")}
        traces.add(trace)

    await check_each(list(operations()), is_answered)
    topology = await send(browser, operations()["topology"].examples[0][1])
    assert "OK (in " in topology.words
    assert '"clusterSize": 1' in topology.words
    sent = [json.loads(line) for line in trying.log.read_text().splitlines() if '"console.sent"' in line]
    assert traces < {each["trace_id"] for each in sent}
    assert [each["operation"] for each in sent] == [*operations(), "topology"]


async def test_a_mistake_gets_the_service_s_words(browser: Browser) -> None:
    wrong = await send(browser, '{"operation": "create-instnace", "data": {}}')
    assert "UNIMPLEMENTED (in" in wrong.words
    assert 'did you mean \\"create-instance\\"?' in wrong.words
    assert "INVALID_ARGUMENT (in" in (await send(browser, "{")).words


async def test_one_form_is_one_request(browser: Browser) -> None:
    deployed = json.loads(operations()["deploy-process"].examples[0][1])
    await send(browser, json.dumps(deployed))
    body = json.dumps({"operation": "create-instance", "data": {"bpmnProcessId": "parcel"}})
    first, second = [await send(browser, body, id="one-and-the-same") for _ in range(2)]
    keys = {page.words.partition('"processInstanceKey": ')[2].split(",")[0] for page in (first, second)}
    assert len(keys) == 1
    assert keys.pop().isdecimal()


@pytest.fixture
def strict(rabbitmq: Broker, zeebe: Engine, tmp_path: Path) -> Iterator[Consumer]:
    """A service with a console and a policy that lets its own login look only."""
    (tmp_path / "policy.toml").write_text(POLICY)
    settings = {"CONSOLE": "on", "POLICY_FILE": f"{tmp_path}/policy.toml", "AUDIT": f"{tmp_path}/audit.jsonl"}
    with running_consumer(tmp_path, rabbitmq.url, zeebe.address, settings) as running:
        yield running


async def test_the_policy_and_the_audit_hold_for_it(strict: Consumer) -> None:
    async with opened(strict.port) as browser:
        await browser.log_in(token(strict))
        assert "OK (in" in (await send(browser, '{"operation": "topology", "data": {}}')).words
        denied = await send(browser, operations()["create-instance"].examples[0][1])
    assert "PERMISSION_DENIED (in" in denied.words
    records = [json.loads(line) for line in (strict.directory / "audit.jsonl").read_text().splitlines()]
    told = [(each["user"], each["operation"], each["decision"]) for each in records if each["event"] == "command"]
    assert told == [("guest", "topology", "allowed"), ("guest", "create-instance", "denied")]
