"""A worker with Nameko: `python examples/nameko_worker.py amqp://guest:guest@127.0.0.1:5672`."""

import eventlet

eventlet.monkey_patch()

import sys
import time

from kombu import Queue
from nameko.messaging import Consumer
from nameko.rpc import Responder
from nameko.runners import ServiceRunner

URL = sys.argv[1]


class Jobs(Consumer):
    """Takes jobs as they are, and answers as Nameko's own calls are answered."""

    def handle_message(self, body, message):
        if message.headers["deadline"] > time.time() * 1000:
            super().handle_message(body, message)
        else:
            message.ack()  # somebody else has the job by now

    def handle_result(self, message, worker_ctx, result, exc_info):
        result, exc_info = Responder(URL, "", "json", message).send_response(result, exc_info)
        self.queue_consumer.ack_message(message)
        return result, exc_info


class Payments:
    name = "payments"

    @Jobs.decorator(queue=Queue("zeebe.jobs.charge-card", no_declare=True))
    def charge(self, variables):
        if variables["amount"] > 1000:
            raise ValueError("the card has a limit of 1000")
        return {"charged": variables["amount"]}


runner = ServiceRunner({"AMQP_URI": URL, "max_workers": 1})
runner.add_service(Payments)
runner.start()
runner.wait()
