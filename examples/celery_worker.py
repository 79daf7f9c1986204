"""A worker with Celery: `AMQP_URL=amqp://guest:guest@127.0.0.1:5672 celery -A celery_worker worker`, in this folder."""

import os
import time

from celery import Celery, bootsteps
from kombu import Consumer, Queue

app = Celery("payments", broker=os.environ["AMQP_URL"], backend="rpc://")
app.conf.task_default_queue = "payments"


@app.task(typing=False)  # wrong variables fail the task, not the consumer
def charge(amount):
    if amount > 1000:
        raise ValueError("the card has a limit of 1000")
    return {"charged": amount}


class Jobs(bootsteps.ConsumerStep):
    """Makes a task of each job; Celery answers it where the job says."""

    def get_consumers(self, channel):
        jobs = Queue("zeebe.jobs.charge-card", no_declare=True)
        return [Consumer(channel, [jobs], callbacks=[self.start_task], accept=["json"], prefetch_count=1)]

    def start_task(self, variables, message):
        if message.headers["deadline"] > time.time() * 1000:  # else somebody else has the job by now
            job = message.properties
            charge.apply_async(kwargs=variables, task_id=job["correlation_id"], reply_to=job["reply_to"])
        message.ack()


app.steps["consumer"].add(Jobs)
