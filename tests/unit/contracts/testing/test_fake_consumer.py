"""What the service in memory promises beyond what the real one does: scripts, faults, records."""

from __future__ import annotations

import asyncio

import pytest

from tests.cases import check_each
from tests.unit.contracts.samples import KEY
from zeebe_amqp import (
    CancelInstance,
    Client,
    CreateInstance,
    DeployProcess,
    DeployResource,
    EvaluateDecision,
    PublishMessage,
    Resource,
    SetVariables,
    Topology,
    wire,
)
from zeebe_amqp.commands.instances import InstanceCreated
from zeebe_amqp.errors import Code, CommandError, DeadlineExceeded, NotFound, OutcomeUnknown, Source, Unavailable
from zeebe_amqp.testing import (
    FakeConsumer,
    Step,
    UnexpectedCommand,
    after,
    answer,
    disconnect,
    drop_reply,
    fail,
    unknown,
)

ORDER = CreateInstance(bpmn_process_id="order", variables={"id": 7})
PAID = PublishMessage(message_name="paid", time_to_live="1h")


# --- scripts ----------------------------------------------------------------------------------------------------------


async def test_scripted_steps_are_used_one_each_and_then_the_habit(consumer: FakeConsumer, zeebe: Client) -> None:
    consumer.always(CreateInstance, answer(process_instance_key=9))
    consumer.script(CreateInstance, answer(process_instance_key=1), answer(process_instance_key=2))
    assert [(await zeebe.call(ORDER)).process_instance_key for _ in range(4)] == [1, 2, 9, 9]


async def test_later_habits_go_first_and_earlier_scripts_do(consumer: FakeConsumer, zeebe: Client) -> None:
    consumer.always(CreateInstance, answer(version=1))
    consumer.always(ORDER, answer(version=2))
    consumer.script(CreateInstance, answer(version=3))
    consumer.script(ORDER, answer(version=4))
    assert [(await zeebe.call(ORDER)).version for _ in range(3)] == [3, 4, 2]
    assert (await zeebe.call(CreateInstance(bpmn_process_id="another"))).version == 1


async def test_a_command_is_meant_to_the_last_field_however_it_is_written(
    consumer: FakeConsumer, zeebe: Client
) -> None:
    consumer.script(PublishMessage(message_name="paid", time_to_live="PT60M"), answer(key=7))
    assert (await zeebe.call(PAID)).key == 7
    with pytest.raises(UnexpectedCommand):
        await zeebe.call(PAID)


async def test_some_commands_of_a_class_are_told_by_a_function(consumer: FakeConsumer, zeebe: Client) -> None:
    consumer.always(CreateInstance, fail("NOT_FOUND"), where=lambda command: command.bpmn_process_id == "gone")
    consumer.always(CreateInstance, answer(), where=lambda command: (command.variables or {}) == {"id": 7})
    await zeebe.call(ORDER)
    with pytest.raises(NotFound):
        await zeebe.call(CreateInstance(bpmn_process_id="gone"))


async def test_a_step_may_be_made_for_the_command(consumer: FakeConsumer, zeebe: Client) -> None:
    async def ended(command: CreateInstance) -> Step:
        await asyncio.sleep(0)
        return answer(variables={"double": command.variables["id"] * 2})  # type: ignore[index, call-overload]

    consumer.always(CreateInstance, ended)
    consumer.always(Topology, lambda _: answer(cluster_size=3))
    assert (await zeebe.call(ORDER.until_end())).values() == {"double": 14}
    assert (await zeebe.call(Topology())).cluster_size == 3


async def test_a_whole_result_may_be_given_typed_or_plain(consumer: FakeConsumer, zeebe: Client) -> None:
    created = InstanceCreated(
        process_definition_key=1, bpmn_process_id="a", version=2, process_instance_key=3, tenant_id="t"
    )
    consumer.script(CreateInstance, answer(created))
    consumer.script(SetVariables, answer({"key": 7}))
    assert await zeebe.call(ORDER) == created
    assert (await zeebe.call(SetVariables(element_instance_key=KEY, variables={}))).key == 7


async def test_wrong_scripts_are_told_where_they_are_wrong(consumer: FakeConsumer, zeebe: Client) -> None:
    with pytest.raises(ValueError, match="steps: expected one or more"):
        consumer.script(Topology)
    with pytest.raises(TypeError, match=r"expected a whole result or some of its fields, found both \(key\)"):
        answer({}, key=7)
    with pytest.raises(ValueError, match="BUSY"):
        fail("BUSY")
    consumer.script(CreateInstance, answer(instance=7))
    consumer.script(CancelInstance, answer(key=7))
    with pytest.raises(TypeError, match="create-instance has no instance; it has process_definition_key, "):
        await zeebe.call(ORDER)
    with pytest.raises(TypeError, match="cancel-instance has no key; it has no fields"):
        await zeebe.call(CancelInstance(process_instance_key=KEY))


async def test_what_was_not_expected_fails_where_it_is_sent_and_at_the_end(
    consumer: FakeConsumer, zeebe: Client
) -> None:
    with pytest.raises(UnexpectedCommand, match="expected nothing: say what with script or always"):
        await zeebe.call(Topology())
    consumer.always(Topology, answer())
    with pytest.raises(UnexpectedCommand, match=r"create-instance was not expected: .*'id': 7.*; expected any topol"):
        await zeebe.call(ORDER)
    with pytest.raises(UnexpectedCommand):
        await zeebe.send(ORDER)
    with pytest.raises(AssertionError, match="create-instance was not expected"):
        consumer.verify()


async def test_two_requests_for_one_step_fail_for_the_second(consumer: FakeConsumer, zeebe: Client) -> None:
    """Also when both arrive before the step is taken."""
    consumer.script(ORDER, answer())
    ended = await asyncio.gather(zeebe.call(ORDER), zeebe.call(ORDER), return_exceptions=True)
    assert [type(each) for each in ended] == [InstanceCreated, UnexpectedCommand]


def test_what_was_scripted_and_not_asked_is_missed(consumer: FakeConsumer) -> None:
    consumer.always(Topology, answer())
    consumer.verify()
    consumer.script(CreateInstance, answer(), answer())
    with pytest.raises(AssertionError, match="any create-instance: 2 more scripted, and not asked for"):
        consumer.verify()


# --- errors and faults ---------------------------------------------------------------------------------------------


async def test_an_error_has_the_facts_that_the_service_would_give_it() -> None:
    async def has_the_facts(step: Step, outcome: str, retryable: bool) -> None:
        consumer = FakeConsumer()
        consumer.script(CreateInstance, step)
        async with consumer.client() as zeebe:
            with pytest.raises(CommandError) as raised:
                await zeebe.call(ORDER)
        assert (raised.value.outcome, raised.value.retryable) == (outcome, retryable)
        assert len(consumer.executed(ORDER)) == (outcome == "unknown")

    cases = [
        (fail("RESOURCE_EXHAUSTED"), "not-executed", True),
        (fail("UNAVAILABLE", outcome="not-executed"), "not-executed", True),
        (fail("UNAVAILABLE"), "unknown", False),
        (fail("UNAVAILABLE", retryable=True), "unknown", True),
        (fail("INTERNAL", "Command 'CREATE' rejected with code 'PROCESSING_ERROR': no"), "not-executed", False),
        (fail("DEADLINE_EXCEEDED", source="consumer", outcome="not-executed"), "not-executed", False),
        (unknown(), "unknown", False),
    ]
    await check_each(cases, has_the_facts)


async def test_what_may_be_repeated_is_retryable_after_an_open_outcome_and_details_are_those_given(
    consumer: FakeConsumer, zeebe: Client
) -> None:
    consumer.script(CancelInstance, unknown(), fail("ABORTED"), fail("ABORTED", source="consumer"))
    for retryable in (True, True, False):
        with pytest.raises(OutcomeUnknown) as raised:
            await zeebe.call(CancelInstance(process_instance_key=KEY))
        assert raised.value.retryable is retryable
    consumer.script(Topology, fail(Code.PERMISSION_DENIED, details={"field": "reply_to"}, source=Source.CONSUMER))
    with pytest.raises(CommandError, match="scripted PERMISSION_DENIED") as refused:
        await zeebe.call(Topology())
    assert refused.value.details == {"field": "reply_to"}


async def test_a_lost_reply_ends_the_callers_time_and_is_there_for_who_asks_again(
    consumer: FakeConsumer, zeebe: Client
) -> None:
    consumer.script(CreateInstance, drop_reply(answer(process_instance_key=7)))
    with pytest.raises(DeadlineExceeded, match="no answer within 3600 s") as raised:
        await zeebe.call(ORDER, timeout=3600)
    assert raised.value.retryable
    assert raised.value.source is Source.CLIENT
    again = await zeebe.call(ORDER, request_id=raised.value.request_id)
    assert again.process_instance_key == 7
    assert len(consumer.executed(ORDER)) == 1


async def test_a_cut_connection_is_healed_by_the_client(consumer: FakeConsumer, zeebe: Client) -> None:
    consumer.script(CreateInstance, disconnect(answer(process_instance_key=7)))
    assert (await zeebe.call(ORDER)).process_instance_key == 7
    assert [call.reply.replayed for call in consumer.calls if call.reply] == [False, True]
    assert (consumer.count(ORDER), len(consumer.executed(ORDER))) == (2, 1)


async def test_a_slow_engine_takes_no_real_time(consumer: FakeConsumer) -> None:
    consumer.script(CreateInstance, after(1000), after(4000))
    async with consumer.client(timeout=3000) as zeebe:
        await zeebe.call(ORDER)
        with pytest.raises(DeadlineExceeded, match="the process instance, if it was created, goes on running"):
            await zeebe.call(ORDER)


async def test_calls_wait_for_a_broker_that_comes_back(consumer: FakeConsumer, zeebe: Client) -> None:
    consumer.always(CreateInstance, answer())
    consumer.disconnect()
    with pytest.raises(Unavailable, match="no broker"):
        await consumer.client().__aenter__()
    waiting = asyncio.create_task(zeebe.call(ORDER))
    await asyncio.sleep(0.01)
    assert consumer.calls == []
    consumer.reconnect()
    await waiting


async def test_a_broker_that_goes_while_the_engine_works_takes_the_reply_with_it(
    consumer: FakeConsumer, zeebe: Client
) -> None:
    def gone(_: CreateInstance) -> Step:
        consumer.disconnect()
        asyncio.get_running_loop().call_later(0.01, consumer.reconnect)
        return answer(process_instance_key=7)

    consumer.script(CreateInstance, gone)
    assert (await zeebe.call(ORDER)).process_instance_key == 7
    assert len(consumer.executed(ORDER)) == 1


async def test_who_gives_up_does_not_stop_the_engine(consumer: FakeConsumer, zeebe: Client) -> None:
    began, goes_on = asyncio.Event(), asyncio.Event()

    async def slow(_: CreateInstance) -> Step:
        began.set()
        await goes_on.wait()
        return answer()

    consumer.script(CreateInstance, slow)
    calling = asyncio.create_task(zeebe.call(ORDER, request_id="mine"))
    await began.wait()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    repeated = asyncio.create_task(zeebe.call(ORDER, request_id="mine"))
    goes_on.set()
    await repeated
    assert len(consumer.executed(ORDER)) == 1


async def test_a_step_that_fails_ends_all_who_wait_for_it_and_leaves_no_trace(
    consumer: FakeConsumer, zeebe: Client
) -> None:
    def broken(_: CreateInstance) -> Step:
        raise LookupError("in the test")

    consumer.script(CreateInstance, broken, answer())
    with pytest.raises(LookupError, match="in the test"):
        await zeebe.call(ORDER, request_id="mine")
    await zeebe.call(ORDER, request_id="mine")


# --- records ----------------------------------------------------------------------------------------------------------


async def test_commands_are_recorded_as_a_test_compares_them(consumer: FakeConsumer, zeebe: Client) -> None:
    consumer.always(CreateInstance, answer())
    consumer.always(DeployResource, answer())
    await zeebe.call(ORDER, request_id="mine", timeout=5)
    await zeebe.call(DeployResource(resources=(Resource(name="a.form", content="{}"),)))
    assert consumer.of(CreateInstance) == [ORDER]
    assert consumer.of(DeployResource)[0].resources == (Resource(name="a.form", content="{}"),)
    assert (consumer.count(ORDER), consumer.count(CreateInstance(bpmn_process_id="another"))) == (1, 0)
    call = consumer.calls[0]
    assert (call.request_id, call.headers[wire.REQUEST_ID], call.replied) == ("mine", "mine", True)
    assert call.deadline is not None


def test_code_without_an_event_loop_has_the_same_service(consumer: FakeConsumer) -> None:
    consumer.script(CreateInstance, answer(process_instance_key=7))
    with consumer.sync_client() as zeebe:
        assert zeebe.call(ORDER).process_instance_key == 7
    assert consumer.of(CreateInstance) == [ORDER]


async def test_results_are_made_for_the_command(consumer: FakeConsumer, zeebe: Client) -> None:
    for command in (CreateInstance, DeployProcess, DeployResource, EvaluateDecision):
        consumer.always(command, answer())
    created = await zeebe.call(CreateInstance(process_definition_key=KEY, tenant_id="acme", tags=("a",)))
    assert (created.process_definition_key, created.tenant_id, created.tags) == (KEY, "acme", ("a",))
    process = b'<bpmn:definitions><bpmn:process isExecutable="true" id="order"/></bpmn:definitions>'
    deployed = await zeebe.call(DeployProcess(name="file.bpmn", content=process))
    assert deployed.processes[0].bpmn_process_id == "order"
    files = tuple(Resource(name=name, content="x") for name in ("a.bpmn", "b.dmn", "c.form"))
    kinds = (await zeebe.call(DeployResource(resources=files))).deployments
    assert [bool(each.process) for each in kinds] == [True, False, False, False]
    assert kinds[1].decision is not None
    assert kinds[2].decision_requirements is not None
    assert kinds[3].form is not None
    evaluated = await zeebe.call(EvaluateDecision(decision_key=KEY))
    assert (evaluated.decision_key, evaluated.decision_output) == (KEY, "null")
