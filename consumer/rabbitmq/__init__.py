"""RabbitMQ: connections, queues, properties, deliveries, publishing."""

from consumer.rabbitmq.broker import Broker, queue_names
from consumer.rabbitmq.dead_letter_count import DeadLetterCount
from consumer.rabbitmq.examination import BrokerFacts, examine_broker
from consumer.rabbitmq.inspection import BrokerReport, inspect

__all__ = [
    "Broker",
    "BrokerFacts",
    "BrokerReport",
    "DeadLetterCount",
    "examine_broker",
    "inspect",
    "queue_names",
]
