"""RabbitMQ: connections, queues, properties, deliveries, publishing."""

from consumer.rabbitmq.broker import Broker, queue_names
from consumer.rabbitmq.dead_letter_count import DeadLetterCount
from consumer.rabbitmq.examination import BrokerFacts, examine_broker
from consumer.rabbitmq.inspection import BrokerReport, inspect
from consumer.rabbitmq.job_examination import JobFacts, examine_jobs, look_at_jobs

__all__ = [
    "Broker",
    "BrokerFacts",
    "BrokerReport",
    "DeadLetterCount",
    "JobFacts",
    "examine_broker",
    "examine_jobs",
    "inspect",
    "look_at_jobs",
    "queue_names",
]
