"""A worker with nothing but pika: `python examples/worker.py amqp://guest:guest@127.0.0.1:5672`."""

import json
import sys
import time

import pika


def charge(variables):
    if variables["amount"] > 1000:
        raise ValueError("the card has a limit of 1000")
    return {"charged": variables["amount"]}


def work(channel, delivery, job, body):
    if job.headers["deadline"] > time.time() * 1000:  # else somebody else has the job by now
        answer = pika.BasicProperties(correlation_id=job.correlation_id, delivery_mode=2)
        try:
            result = charge(json.loads(body))
        except Exception as error:
            answer.type, result = "fail", {"errorMessage": str(error)}
        channel.basic_publish("", job.reply_to, json.dumps(result), answer)
    channel.basic_ack(delivery.delivery_tag)


channel = pika.BlockingConnection(pika.URLParameters(sys.argv[1])).channel()
channel.basic_qos(prefetch_count=1)
channel.basic_consume("zeebe.jobs.charge-card", work)
channel.start_consuming()
