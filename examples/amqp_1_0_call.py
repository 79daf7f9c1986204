"""A caller in AMQP 1.0: `python examples/amqp_1_0_call.py amqp://guest:guest@127.0.0.1:5672`."""

import sys
import time
import uuid
from queue import SimpleQueue
from urllib.parse import urlsplit

from rabbitmq_amqp_python_client import (
    ApplicationProperties,
    Connection,
    ConnectionParameters,
    Header,
    Message,
    OutcomeState,
    Properties,
    queue_address,
)

url = urlsplit(sys.argv[1])
connection = Connection(ConnectionParameters(url.hostname, url.port, url.path[1:] or "/", url.username, url.password))
name = f"replies.{uuid.uuid4()}"
connection.management().queue(name).exclusive().auto_delete().declare()
replies = SimpleQueue()


def receive(context, reply):
    context.accept()
    replies.put(reply)


connection.consumer_builder().queue(name).message_handler(receive).build()
request = Message(
    b'{"operation": "topology", "data": {}}',  # bytes: a data section, the only kind that the service reads
    header=Header(durable=True),
    properties=Properties(
        message_id=uuid.uuid4(),  # also the id of the request: sent again, it is not run again
        user_id=url.username.encode(),  # the broker checks it
        reply_to=queue_address(name),
        content_type="application/json",
    ),
    application_properties=ApplicationProperties({"deadline": int(time.time() * 1000) + 20_000}),
)
sent = connection.publisher_builder().queue("zeebe.commands").build().publish(request)
if sent.outcome.state is not OutcomeState.ACCEPTED:
    sys.exit(f"the broker has not taken the request: {sent.outcome}")
print(replies.get(timeout=20).body_as_string())
connection.close()
