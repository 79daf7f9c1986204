"""RabbitMQ: connections, queues, properties, deliveries, publishing."""

from consumer.rabbitmq.broker import Broker, queue_names
from consumer.rabbitmq.inspection import BrokerReport, inspect

__all__ = ["Broker", "BrokerReport", "inspect", "queue_names"]
