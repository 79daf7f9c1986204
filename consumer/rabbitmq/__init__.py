"""RabbitMQ: connections, queues, properties, deliveries, publishing."""

from consumer.rabbitmq.broker import Broker, queue_names
from consumer.rabbitmq.dead_letter_count import DeadLetterCount
from consumer.rabbitmq.inspection import BrokerReport, inspect

__all__ = ["Broker", "BrokerReport", "DeadLetterCount", "inspect", "queue_names"]
