"""Signals through the queue to a real Camunda 7 engine: who gets them, what is stored, and what each failure means.

Between the consumer and the engine stands a relay, which passes everything on unless a test says otherwise.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio

from scripts.camunda7 import ADMINISTRATOR, Camunda7
from tests.conftest import Broker
from tests.fakes.rest import FakeRest, cut, relayed
from tests.integration.caller import Caller
from tests.integration.camunda7 import THROWING, Engine, basic
from tests.integration.process_helper import refused, unique
from tests.integration.service import ConsumerSetup, eventually, running_service
from tests.unit.contracts.camunda7.test_values import ACCEPTED, FILE, REFUSED, WITH_INFO, converted, refusal, typed
from zeebe_amqp.errors import Code, Error, Outcome, Source

pytestmark = pytest.mark.asyncio(loop_scope="module")

ADMIN = {"CAMUNDA7_USER": ADMINISTRATOR[0], "CAMUNDA7_PASSWORD": ADMINISTRATOR[1]}
LENIENT: dict[str, set[str]] = {
    "String": {"[]", "{}", "[1]", "{'a': 1}"},
    **{kind: {"'٣'"} for kind in ("Integer", "Short", "Long")},
    "Date": {
        *(f"'2013-{moment}+0200'" for moment in ("02-30T13:42:42.000", "13-23T13:42:42.000", "01-23T24:00:00.000")),
        *(f"'2013-01-23T13:42:{second}'" for second in ("60.000+0200", "42.00+0200", "42.0000+0200", "42.000+0200x")),
    },
    "Bytes": {"'AQI=\\n'", "'AQI=AQI='", "True"},
    "File": {"'AQI'", "'%%'"},
}
"""Values that the engine takes and changes, stores as something else, or cannot read again; refused before it."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The engine, asked as its administrator."""
    with Camunda7(tmp_path_factory.mktemp("camunda7")) as running:
        yield Engine(running.url, *ADMINISTRATOR)


@pytest.fixture(scope="module")
def relay(engine: Engine) -> Iterator[FakeRest]:
    """What the consumer takes for the engine."""
    with FakeRest(always=relayed(engine.url)) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(
    rabbitmq: Broker, relay: FakeRest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ConsumerSetup]:
    """A consumer that sends all signals to the engine."""
    environment = {"CAMUNDA7_REST_URL": relay.url, "SIGNAL_ENGINE": "camunda7", **ADMIN}
    async with running_service(tmp_path_factory.mktemp("service"), rabbitmq.url, **environment) as ready:
        yield ready


@pytest_asyncio.fixture(loop_scope="module")
async def caller(service: ConsumerSetup) -> AsyncIterator[Caller]:
    """A caller of that consumer."""
    async with service.caller() as connected:
        yield connected


@dataclass
class Waiting:
    """A process whose instances wait for a signal."""

    engine: Engine
    process: str = field(default_factory=lambda: unique("process"))
    signal: str = field(default_factory=lambda: unique("signal"))

    def start(self, tenant: str | None = None) -> str:
        """The id of a new instance."""
        return self.engine.start(self.process, tenant)

    def waits(self, instance: str) -> bool:
        """Whether the signal has not reached the instance."""
        return self.engine.execution(self.signal, instance) is not None


@pytest.fixture
def waiting(engine: Engine) -> Waiting:
    """A deployed process of the test's own, without tenant."""
    made = Waiting(engine)
    engine.deploy(made.process, made.signal)
    return made


async def failed(caller: Caller, **data: Any) -> Error:
    return refused(await caller.call("signal", {"name": "nobody", **data}))


def meaning(error: Error) -> tuple[Code, Source, Outcome, bool]:
    return error.code, error.source, error.outcome, error.retryable


# --- who gets it ---


async def test_everyone_who_waits_gets_it_with_its_variables(
    caller: Caller, waiting: Waiting, service: ConsumerSetup
) -> None:
    first, second = waiting.start(), waiting.start()
    data = {"name": waiting.signal, "variables": {"newTimePeriodInMonth": {"value": 24}}}
    assert await caller.result("signal", data) is None
    for instance in (first, second):
        assert not waiting.waits(instance)
        [(name, stored)] = waiting.engine.variables(instance).items()
        assert (name, stored["type"], stored["value"]) == ("newTimePeriodInMonth", "Integer", 24)
    assert service.gateway.count("BroadcastSignal") == 0
    _, metrics = await asyncio.to_thread(service.consumer.get, "/metrics")
    calls = [line for line in metrics.splitlines() if line.startswith("rpc_client_call_duration") and "/signal" in line]
    assert any('rpc_response_status_code="OK"' in line for line in calls)


async def test_tenants_choose_who_gets_it(caller: Caller, waiting: Waiting) -> None:
    tenant, other = unique("tenant"), unique("tenant")
    for each in (tenant, other):
        waiting.engine.deploy(waiting.process, waiting.signal, tenant=each)
    instances = [waiting.start(tenant), waiting.start(other), waiting.engine.start(f"{waiting.process}")]
    expected = [
        ({"tenantId": tenant, "withoutTenantId": True}, [False, True, True]),
        ({"withoutTenantId": True}, [False, True, False]),
        ({"withoutTenantId": False}, [False, False, False]),
    ]
    for which, left in expected:
        assert await caller.result("signal", {"name": waiting.signal, **which}) is None
        assert [waiting.waits(instance) for instance in instances] == left


async def test_only_signals_to_one_execution_go_there_unless_told_otherwise(
    rabbitmq: Broker, relay: FakeRest, waiting: Waiting, tmp_path: Path
) -> None:
    instance, other = waiting.start(), waiting.start()
    data = {"name": waiting.signal, "variables": {"a": {"value": 1}}}
    settings = {"CAMUNDA7_REST_URL": relay.url, **ADMIN}
    async with running_service(tmp_path, rabbitmq.url, **settings) as service, service.caller() as caller:
        assert await caller.result("signal", data) is None
        assert waiting.waits(instance)
        [broadcast] = service.gateway.of("BroadcastSignal")
        assert (broadcast.message.signalName, broadcast.message.variables) == (waiting.signal, '{"a":1}')
        execution = waiting.engine.execution(waiting.signal, instance)
        assert await caller.result("signal", {"name": waiting.signal, "executionId": execution}) is None
    assert (waiting.waits(instance), waiting.waits(other)) == (False, True)


# --- what is stored ---


def same(stored: Any, plain: Any, kind: str) -> bool:
    """Whether what the engine stored means what Zeebe would get."""
    if stored is not None and kind in ("Json", "Object"):
        return bool(orjson.loads(stored) == plain)
    if stored is not None and kind == "Date" and plain is not None:
        form = "%Y-%m-%dT%H:%M:%S.%f%z"
        return datetime.strptime(stored, form) == datetime.strptime(plain, form)
    return bool(stored == plain)


async def test_the_engine_stores_of_every_type_what_zeebe_would_get(caller: Caller, waiting: Waiting) -> None:
    sent = [typed(kind, value) for kind, rows in ACCEPTED.items() for value, _ in rows]
    sent += [variable for variable, _ in WITH_INFO if variable["type"] == "Object"]
    instance = waiting.start()
    variables = {f"v{number}": variable for number, variable in enumerate(sent)}
    await caller.result("signal", {"name": waiting.signal, "variables": variables})
    stored = waiting.engine.variables(instance)
    assert set(stored) == set(variables)
    for name, variable in variables.items():
        plain = orjson.loads(converted(variable).json)
        assert stored[name]["type"] == variable["type"], variable
        assert same(stored[name]["value"], plain, variable["type"]), (variable, stored[name]["value"])


async def test_files_and_values_without_type_are_stored_as_they_are(caller: Caller, waiting: Waiting) -> None:
    instance = waiting.start()
    variables = {
        "file": typed("File", "AQI=", FILE),
        "nan": typed("Double", "NaN"),
        "text": {"value": "é" * 4000},
        "double": {"value": 1.5},
        "long": {"value": 2**40},
        "list": {"value": [1]},
        "gone": typed("Integer", 1, {"transient": True}),
    }
    await caller.result("signal", {"name": waiting.signal, "variables": variables})
    stored = waiting.engine.variables(instance)
    types = {"file": "File", "nan": "Double", "text": "String", "double": "Double", "long": "Long", "list": "Object"}
    assert {name: each["type"] for name, each in stored.items()} == types
    assert stored["file"]["valueInfo"]["filename"] == "a.txt"
    assert [stored[name]["value"] for name in ("nan", "double", "long")] == ["NaN", 1.5, 2**40]


async def test_what_is_refused_is_refused_in_the_words_of_the_engine_or_changed_by_it(engine: Engine) -> None:
    lenient: dict[str, set[str]] = {}
    for kind, value in [(kind, value) for kind, values in REFUSED.items() for value in values]:
        variable = typed(kind, value, FILE if kind == "File" else None)
        ours = refusal(variable).message
        status, said = engine.ask("POST", "/signal", {"name": "nobody", "variables": {"x": variable}})
        if status == 204:
            lenient.setdefault(kind, set()).add(repr(value))
        elif kind != "File" and not isinstance(value, list | dict):
            assert (status, said["message"] in ours) == (400, True), (variable, said, ours)
    assert lenient == LENIENT


# --- what the failures mean ---

NOT_EXECUTED = (Source.GATEWAY, Outcome.NOT_EXECUTED, False)


async def test_an_execution_that_is_not_there_or_does_not_wait_is_told(caller: Caller, waiting: Waiting) -> None:
    error = await failed(caller, executionId="absent")
    assert meaning(error) == (Code.NOT_FOUND, *NOT_EXECUTED)
    assert error.message == "Cannot find execution with id 'absent': execution is null"
    assert error.details == {"type": "NullValueException"}
    instance = waiting.start()
    error = await failed(caller, executionId=waiting.engine.execution(waiting.signal, instance))
    assert meaning(error) == (Code.FAILED_PRECONDITION, *NOT_EXECUTED)
    assert "has not subscribed to a signal event with name 'nobody'" in error.message


async def test_one_step_that_throws_rolls_everything_back(caller: Caller, waiting: Waiting) -> None:
    waiting.engine.deploy(unique("process"), waiting.signal)
    throwing = Waiting(waiting.engine, signal=waiting.signal)
    waiting.engine.deploy(throwing.process, throwing.signal, step=THROWING)
    healthy, broken = waiting.start(), throwing.start()
    error = await failed(caller, name=waiting.signal)
    assert meaning(error) == (Code.UNKNOWN, *NOT_EXECUTED)
    assert "absent" in error.message
    assert (waiting.waits(healthy), throwing.waits(broken)) == (True, True)


async def test_refused_credentials_and_missing_rights_are_told(
    caller: Caller, relay: FakeRest, waiting: Waiting
) -> None:
    # A user who exists would be locked for some seconds after a wrong password.
    relay.script(relayed(waiting.engine.url, basic(unique("nobody"), "wrong")))
    error = await failed(caller)
    assert meaning(error) == (Code.UNAUTHENTICATED, *NOT_EXECUTED)
    assert "check CAMUNDA7_USER and CAMUNDA7_PASSWORD" in error.message
    powerless, instance = unique("user").replace("-", ""), waiting.start()
    waiting.engine.user(powerless, "secret")
    relay.script(relayed(waiting.engine.url, basic(powerless, "secret")))
    error = await failed(caller, name=waiting.signal)
    assert meaning(error) == (Code.PERMISSION_DENIED, *NOT_EXECUTED)
    assert powerless in error.message
    assert error.details == {"type": "AuthorizationException"}
    assert waiting.waits(instance)


async def test_a_request_id_signals_once_also_when_the_answer_is_lost(caller: Caller, relay: FakeRest) -> None:
    relay.reset()
    fine, lost = ({"request-id": unique("request")} for _ in range(2))
    assert [await caller.result("signal", {"name": "s"}, headers=fine) for _ in range(2)] == [None, None]
    relay.script(cut)
    for _ in range(2):
        error = refused(await caller.call("signal", {"name": "s"}, headers=lost))
        assert meaning(error) == (Code.UNAVAILABLE, Source.GATEWAY, Outcome.UNKNOWN, False)
    assert len(relay.requests) == 2


async def test_an_engine_that_is_away_stops_nobody_else(
    caller: Caller, relay: FakeRest, service: ConsumerSetup
) -> None:
    relay.reset()
    relay.__exit__()
    try:
        error = await failed(caller)
        assert meaning(error) == (Code.UNAVAILABLE, Source.GATEWAY, Outcome.NOT_EXECUTED, True)
        assert "127.0.0.1" not in error.message
        assert (await asyncio.to_thread(service.consumer.get, "/readyz"))[0] == 200
        await caller.result("topology")
        await caller.publish(orjson.dumps({"operation": "signal", "data": {"name": "patient"}}), reply_to=None)
    finally:
        relay.__enter__()
    await eventually(lambda: [each for each in relay.requests if b"patient" in each.body], "the patient signal")
    await eventually(lambda: "reached again" in service.log(), "the log says that it is back")
