"""A worker in AMQP 1.0: `python examples/amqp_1_0_worker.py amqp://guest:guest@127.0.0.1:5672`."""

import json
import sys
import threading
import time
from urllib.parse import urlsplit

from rabbitmq_amqp_python_client import (
    ApplicationProperties,
    Connection,
    ConnectionParameters,
    Header,
    Message,
    Properties,
)


def charge(variables):
    if variables["amount"] > 1000:
        raise ValueError("the card has a limit of 1000")
    return {"charged": variables["amount"]}


def work(context, job):
    if job.application_properties.value["deadline"] > time.time() * 1000:  # else somebody else has the job by now
        try:
            outcome, result = "complete", charge(json.loads(job.body_as_string()))
        except Exception as error:
            outcome, result = "fail", {"errorMessage": str(error)}
        answer = Message(
            json.dumps(result),
            header=Header(durable=True),
            properties=Properties(correlation_id=job.properties.correlation_id, user_id=url.username.encode()),
            application_properties=ApplicationProperties({"outcome": outcome}),
        )
        answers.publish(answer)
    context.accept()


url = urlsplit(sys.argv[1])
connection = Connection(ConnectionParameters(url.hostname, url.port, url.path[1:] or "/", url.username, url.password))
answers = connection.publisher_builder().queue("zeebe.jobs.results").build()
builder = connection.consumer_builder().queue("zeebe.jobs.charge-card").message_handler(work)
builder.initial_credits(1).build()
threading.Event().wait()
