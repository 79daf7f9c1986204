"""RabbitMQ: connections, queues, properties, deliveries, publishing."""

from consumer.rabbitmq.broker import Broker
from consumer.rabbitmq.dead_letter_count import DeadLetterCount
from consumer.rabbitmq.examination import BrokerFacts, examine_broker
from consumer.rabbitmq.inspection import BrokerReport, inspect
from consumer.rabbitmq.job_examination import JobFacts, examine_jobs, look_at_jobs
from consumer.rabbitmq.reply_route import ReplyRoute, reply_route
from consumer.rabbitmq.topology import queue_names

__all__ = [
    "Broker",
    "BrokerFacts",
    "BrokerReport",
    "DeadLetterCount",
    "JobFacts",
    "ReplyRoute",
    "examine_broker",
    "examine_jobs",
    "inspect",
    "look_at_jobs",
    "queue_names",
    "reply_route",
]
