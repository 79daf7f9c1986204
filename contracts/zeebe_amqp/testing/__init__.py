"""The service in memory, for tests of your code without broker, engine or network. Needs the extra `client`.

    async def test_an_order_is_started(zeebe_consumer: FakeConsumer) -> None:
        zeebe_consumer.script(CreateInstance, answer(process_instance_key=7))
        async with zeebe_consumer.client() as zeebe:
            await start_order(zeebe, 42)
        assert zeebe_consumer.count(CreateInstance(bpmn_process_id="order", variables={"orderId": 42})) == 1

The package brings the fixture `zeebe_consumer`. It fails the test when a command was not scripted, or when a scripted
one never came.
"""

from zeebe_amqp.testing.call import Call
from zeebe_amqp.testing.consumer import FakeConsumer
from zeebe_amqp.testing.expectation import UnexpectedCommand
from zeebe_amqp.testing.jobs import FakeJob, JobState
from zeebe_amqp.testing.steps import Reaction, Step, after, answer, disconnect, drop_reply, fail, unknown

__all__ = [
    "Call",
    "FakeConsumer",
    "FakeJob",
    "JobState",
    "Reaction",
    "Step",
    "UnexpectedCommand",
    "after",
    "answer",
    "disconnect",
    "drop_reply",
    "fail",
    "unknown",
]
