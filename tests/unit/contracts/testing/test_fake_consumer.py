"""The service in memory: what it promises beyond what the real one does, and that it is as strict."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest import mock

import pytest

from tests.cases import check_each
from tests.unit.contracts.samples import KEY
from zeebe_amqp import Client, CreateInstance, Resource, Topology, commands, errors, wire
from zeebe_amqp.client import Outgoing
from zeebe_amqp.commands.instances import InstanceCreated
from zeebe_amqp.errors import Code, CommandError, DeadlineExceeded, NotFound, Source, Unavailable
from zeebe_amqp.testing import FakeConsumer, Step, UnexpectedCommand, answer, disconnect, drop_reply, fail, unknown
from zeebe_amqp.testing import after as takes

ORDER = CreateInstance(bpmn_process_id="order", variables={"id": 7})
ANOTHER = CreateInstance(bpmn_process_id="another")
PAID = commands.PublishMessage(message_name="paid", time_to_live="1h")
CANCEL = commands.CancelInstance(process_instance_key=KEY)


async def test_scripts_go_before_habits_and_of_these_the_later_ones(consumer: FakeConsumer, zeebe: Client) -> None:
    consumer.always(CreateInstance, answer(version=1))
    consumer.always(ORDER, answer(version=2))
    consumer.script(CreateInstance, answer(version=3), answer(version=4))
    consumer.script(ORDER, answer(version=5))
    assert [(await zeebe.call(ORDER)).version for _ in range(5)] == [3, 4, 5, 2, 2]
    assert (await zeebe.call(ANOTHER)).version == 1


async def test_commands_are_meant_whole_or_told_by_a_function(consumer: FakeConsumer, zeebe: Client) -> None:
    consumer.script(commands.PublishMessage(message_name="paid", time_to_live="PT60M"), answer(key=7))
    assert (await zeebe.call(PAID)).key == 7
    with pytest.raises(UnexpectedCommand):
        await zeebe.call(PAID)
    consumer.always(CreateInstance, fail("NOT_FOUND"), where=lambda command: command.bpmn_process_id == "another")
    consumer.always(CreateInstance, answer(), where=lambda command: (command.variables or {}) == {"id": 7})
    await zeebe.call(ORDER)
    with pytest.raises(NotFound):
        await zeebe.call(ANOTHER)


async def test_a_step_may_be_made_for_the_command_and_a_result_given(consumer: FakeConsumer, zeebe: Client) -> None:
    async def ended(command: CreateInstance) -> Step:
        await asyncio.sleep(0)
        return answer(variables={"double": command.variables["id"] * 2})  # type: ignore[index, call-overload]

    consumer.script(CreateInstance, ended)
    consumer.always(Topology, lambda _: answer(cluster_size=3))
    assert (await zeebe.call(ORDER.until_end())).values() == {"double": 14}
    assert (await zeebe.call(Topology())).cluster_size == 3
    created = InstanceCreated(
        process_definition_key=1, bpmn_process_id="a", version=2, process_instance_key=3, tenant_id="t"
    )
    consumer.script(CreateInstance, answer(created))
    consumer.script(commands.SetVariables, answer({"key": 7}))
    assert await zeebe.call(ORDER) == created
    assert (await zeebe.call(commands.SetVariables(element_instance_key=KEY, variables={}))).key == 7


async def test_wrong_scripts_are_told_where_they_are_wrong(consumer: FakeConsumer, zeebe: Client) -> None:
    with pytest.raises(ValueError, match="steps: expected one or more"):
        consumer.script(Topology)
    with pytest.raises(TypeError, match=r"expected a whole result or some of its fields, found both \(key\)"):
        answer({}, key=7)
    with pytest.raises(ValueError, match="BUSY"):
        fail("BUSY")
    consumer.script(CreateInstance, answer(instance=7))
    consumer.script(CANCEL, answer(key=7))
    with pytest.raises(TypeError, match="create-instance has no instance; it has process_definition_key, "):
        await zeebe.call(ORDER)
    with pytest.raises(TypeError, match="cancel-instance has no key; it has no fields"):
        await zeebe.call(CANCEL)


async def test_what_was_not_expected_fails_where_sent_and_at_the_end(consumer: FakeConsumer, zeebe: Client) -> None:
    with pytest.raises(UnexpectedCommand, match="expected nothing: say what with script or always"):
        await zeebe.call(Topology())
    consumer.always(Topology, answer())
    with pytest.raises(UnexpectedCommand, match=r"create-instance was not expected: .*'id': 7.*; expected any topol"):
        await zeebe.call(ORDER)
    with pytest.raises(UnexpectedCommand):
        await zeebe.send(ORDER)
    with pytest.raises(AssertionError, match="create-instance was not expected"):
        consumer.verify()


async def test_a_step_is_taken_once_and_missed_when_nobody_asks(consumer: FakeConsumer, zeebe: Client) -> None:
    """Also when two requests arrive before the step is taken."""
    consumer.script(ORDER, answer())
    ended = await asyncio.gather(zeebe.call(ORDER), zeebe.call(ORDER), return_exceptions=True)
    assert [type(each) for each in ended] == [InstanceCreated, UnexpectedCommand]
    other = FakeConsumer()
    other.always(Topology, answer())
    other.verify()
    other.script(CreateInstance, answer(), answer())
    with pytest.raises(AssertionError, match="any create-instance: 2 more scripted, and not asked for"):
        other.verify()


async def test_an_error_has_the_facts_of_the_service_or_those_given(consumer: FakeConsumer, zeebe: Client) -> None:
    async def has_the_facts(command: Any, step: Step, outcome: str, retryable: bool) -> None:
        executed = len(consumer.executed(command))
        consumer.script(type(command), step)
        with pytest.raises(CommandError) as raised:
            await zeebe.call(command)
        assert (raised.value.outcome, raised.value.retryable) == (outcome, retryable)
        assert isinstance(raised.value, errors.OutcomeUnknown) == (outcome == "unknown")
        assert len(consumer.executed(command)) - executed == (outcome == "unknown")

    cases = [
        (ORDER, fail("RESOURCE_EXHAUSTED"), "not-executed", True),
        (ORDER, fail("UNAVAILABLE", outcome="not-executed"), "not-executed", True),
        (ORDER, fail("UNAVAILABLE"), "unknown", False),
        (ORDER, fail("UNAVAILABLE", retryable=True), "unknown", True),
        (ORDER, fail("INTERNAL", "Command 'CREATE' rejected with code 'PROCESSING_ERROR': no"), "not-executed", False),
        (ORDER, fail("DEADLINE_EXCEEDED", source="consumer", outcome="not-executed"), "not-executed", False),
        (ORDER, unknown(), "unknown", False),
        # What may be repeated is retryable after an open outcome.
        (CANCEL, unknown(), "unknown", True),
        (CANCEL, fail("ABORTED"), "unknown", True),
        (CANCEL, fail("ABORTED", source="consumer"), "unknown", False),
    ]
    await check_each(cases, has_the_facts)
    consumer.script(Topology, fail(Code.PERMISSION_DENIED, details={"field": "reply_to"}, source=Source.CONSUMER))
    with pytest.raises(CommandError, match="scripted PERMISSION_DENIED") as refused:
        await zeebe.call(Topology())
    assert refused.value.details == {"field": "reply_to"}


async def test_a_reply_that_is_lost_is_there_for_who_asks_again(consumer: FakeConsumer, zeebe: Client) -> None:
    consumer.script(CreateInstance, drop_reply(answer(process_instance_key=7)))
    with pytest.raises(DeadlineExceeded, match="no answer within 3600 s") as raised:
        await zeebe.call(ORDER, timeout=3600)
    assert (raised.value.retryable, raised.value.source) == (True, Source.CLIENT)
    again = await zeebe.call(ORDER, request_id=raised.value.request_id)
    assert (again.process_instance_key, len(consumer.executed(ORDER))) == (7, 1)
    consumer.script(ANOTHER, disconnect(answer(process_instance_key=8)))
    assert (await zeebe.call(ANOTHER)).process_instance_key == 8, "the client heals a cut connection"
    assert [call.reply.replayed for call in consumer.calls if call.reply] == [False, True] * 2
    assert (consumer.count(ANOTHER), len(consumer.executed(ANOTHER))) == (2, 1)


async def test_a_slow_engine_takes_no_real_time(consumer: FakeConsumer) -> None:
    consumer.script(CreateInstance, takes(1000), takes(4000))
    async with consumer.client(timeout=3000) as zeebe:
        await zeebe.call(ORDER)
        with pytest.raises(DeadlineExceeded, match="the process instance, if it was created, goes on running"):
            await zeebe.call(ORDER)


async def test_calls_wait_for_a_broker_that_comes_back(consumer: FakeConsumer, zeebe: Client) -> None:
    """Also when it goes while the engine works, and takes the reply with it."""

    def gone(_: CreateInstance) -> Step:
        consumer.disconnect()
        asyncio.get_running_loop().call_later(0.01, consumer.reconnect)
        return answer(process_instance_key=7)

    consumer.script(CreateInstance, gone)
    consumer.disconnect()
    with pytest.raises(Unavailable, match="no broker"):
        await consumer.client().__aenter__()
    waiting = asyncio.create_task(zeebe.call(ORDER))
    await asyncio.sleep(0.01)
    assert consumer.calls == []
    consumer.reconnect()
    assert (await waiting).process_instance_key == 7
    assert len(consumer.executed(ORDER)) == 1


async def test_who_gives_up_does_not_stop_the_engine_and_closing_waits_for_it(consumer: FakeConsumer) -> None:
    began, goes_on = asyncio.Event(), asyncio.Event()

    async def slow(_: CreateInstance) -> Step:
        began.set()
        await goes_on.wait()
        return answer()

    consumer.script(CreateInstance, slow, slow)
    async with consumer.client() as zeebe:
        calling = asyncio.create_task(zeebe.call(ORDER, request_id="mine"))
        await began.wait()
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        repeated = asyncio.create_task(zeebe.call(ORDER, request_id="mine"))
        goes_on.set()
        await repeated
        goes_on.clear()
        await zeebe.send(ANOTHER)
        assert consumer.executed(ANOTHER) == []
        asyncio.get_running_loop().call_later(0.01, goes_on.set)
    assert (len(consumer.executed(ORDER)), len(consumer.executed(ANOTHER))) == (1, 1)


async def test_a_step_that_fails_ends_its_calls_and_leaves_no_trace(consumer: FakeConsumer, zeebe: Client) -> None:
    consumer.script(CreateInstance, mock.Mock(side_effect=LookupError("in the test")), answer())
    with pytest.raises(LookupError, match="in the test"):
        await zeebe.call(ORDER, request_id="mine")
    await zeebe.call(ORDER, request_id="mine")


def request(body: bytes, request_id: str = "a", **options: Any) -> Outgoing:
    """What a transport is given."""
    return Outgoing(body=body, queue=wire.COMMANDS_QUEUE, correlation_id="a", request_id=request_id, **options)


async def test_other_queues_do_not_exist() -> None:
    consumer = FakeConsumer(commands="mine", polls="mine.polls")
    consumer.always(Topology, answer())
    async with consumer.client() as zeebe, Client(consumer.transport()) as lost:
        await zeebe.call(Topology())
        with pytest.raises(Unavailable, match=r"queue 'zeebe.commands' does not exist"):
            await lost.call(Topology())


async def test_what_the_service_would_refuse_is_refused_and_recorded(consumer: FakeConsumer) -> None:
    """A real client sends nothing that is late; whoever writes a transport of their own might."""
    receiver = mock.Mock()
    consumer.always(Topology, answer())
    transport = consumer.transport()
    await transport.open(receiver)
    await transport.publish(request(b'{"operation": "create-instance", "data": {"bpmnProcesId": "a"}}'))
    await transport.publish(request(b'{"operation": "topology"}', deadline=1.0))
    await transport.publish(request(b'{"operation": "topology"}', request_id="a" * 256))
    await transport.close()
    await transport.close()
    mistyped, late, bad = (call.args[1] for call in receiver.on_received.call_args_list)
    assert b'"suggestion":"bpmnProcessId"' in mistyped
    assert b"DEADLINE_EXCEEDED" in late
    assert b"header request-id: expected text of at most 255 bytes" in bad
    assert consumer.executed(Topology) == []
    call = consumer.calls[0]
    assert (call.command, call.reply and call.reply.operation) == (None, "create-instance")


async def test_what_a_gateway_would_not_take_is_refused(consumer: FakeConsumer, zeebe: Client) -> None:
    async def is_refused(command: Any) -> None:
        consumer.always(type(command), answer())
        with pytest.raises(errors.ResourceExhausted, match="accepted are at most 4194304"):
            await zeebe.call(command)

    cases = [
        commands.PublishMessage(message_name="a", variables={"a": "x" * wire.MAX_MESSAGE}),
        commands.DeployResource(resources=(Resource(name="a.bpmn", content="x" * wire.MAX_MESSAGE),)),
        commands.DeployProcess(name="a.bpmn", content=b"x" * wire.MAX_MESSAGE),
    ]
    await check_each(cases, is_refused)


async def test_what_is_sent_has_run_when_it_is_confirmed(consumer: FakeConsumer, zeebe: Client) -> None:
    consumer.always(PAID, answer())
    identity = await zeebe.send(PAID)
    await zeebe.send(PAID, request_id=identity)
    assert len(consumer.executed(PAID)) == 1
    assert [(call.replied, call.deadline, call.dead) for call in consumer.calls] == [(False, None, False)] * 2


async def test_what_fails_for_good_while_nobody_waits_is_a_dead_letter(consumer: FakeConsumer, zeebe: Client) -> None:
    consumer.script(CreateInstance, fail("NOT_FOUND"), unknown())
    for _ in range(2):
        await zeebe.send(ORDER)
    await consumer.transport().publish(request(b'{"operation": "toplogy"}', replied=False))
    dead = [(each.command, each.reply and each.reply.ok) for each in consumer.dead_letters]
    assert dead == [(ORDER, False), (ORDER, False), (None, False)]


async def test_what_may_pass_is_tried_again_while_nobody_waits(consumer: FakeConsumer, zeebe: Client) -> None:
    consumer.script(CreateInstance, fail("UNAVAILABLE", outcome="not-executed"), fail("RESOURCE_EXHAUSTED"), answer())
    consumer.script(CANCEL, unknown(), answer())
    await zeebe.send(ORDER)
    await zeebe.send(CANCEL)
    await zeebe.close()
    assert consumer.dead_letters == []
    assert (len(consumer.executed(ORDER)), len(consumer.executed(CANCEL))) == (1, 2)


async def test_what_waits_for_the_engine_is_no_dead_letter(consumer: FakeConsumer, zeebe: Client) -> None:
    proxy = fail("UNAVAILABLE", source="consumer", outcome="not-executed", retryable=True)
    for step in (fail("RESOURCE_EXHAUSTED"), proxy):
        consumer.always(CreateInstance, step)
        await zeebe.send(ORDER)
    await zeebe.close()
    assert (consumer.dead_letters, consumer.executed(ORDER)) == ([], [])


async def test_commands_are_recorded_as_a_test_compares_them(consumer: FakeConsumer, zeebe: Client) -> None:
    deployment = commands.DeployResource(resources=(Resource(name="a.form", content="{}"),))
    consumer.always(CreateInstance, answer())
    consumer.always(commands.DeployResource, answer())
    await zeebe.call(ORDER, request_id="mine", timeout=5)
    await zeebe.call(deployment)
    assert consumer.of(CreateInstance) == [ORDER]
    assert consumer.of(commands.DeployResource)[0].resources == deployment.resources
    assert (consumer.count(ORDER), consumer.count(ANOTHER)) == (1, 0)
    call = consumer.calls[0]
    assert (call.request_id, call.headers[wire.REQUEST_ID], call.replied) == ("mine", "mine", True)
    assert call.deadline is not None


async def test_results_are_made_for_the_command(consumer: FakeConsumer, zeebe: Client) -> None:
    for command in (CreateInstance, commands.DeployProcess, commands.DeployResource, commands.EvaluateDecision):
        consumer.always(command, answer())
    created = await zeebe.call(CreateInstance(process_definition_key=KEY, tenant_id="acme", tags=("a",)))
    assert (created.process_definition_key, created.tenant_id, created.tags) == (KEY, "acme", ("a",))
    process = b'<bpmn:definitions><bpmn:process isExecutable="true" id="order"/></bpmn:definitions>'
    deployed = await zeebe.call(commands.DeployProcess(name="file.bpmn", content=process))
    assert deployed.processes[0].bpmn_process_id == "order"
    files = tuple(Resource(name=name, content="x") for name in ("a.bpmn", "b.dmn", "c.form"))
    made = (await zeebe.call(commands.DeployResource(resources=files))).deployments
    kinds = [[name for name in each.__struct_fields__ if getattr(each, name)] for each in made]
    assert kinds == [["process"], ["decision"], ["decision_requirements"], ["form"]]
    evaluated = await zeebe.call(commands.EvaluateDecision(decision_key=KEY))
    assert (evaluated.decision_key, evaluated.decision_output) == (KEY, "null")
