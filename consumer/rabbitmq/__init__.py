"""RabbitMQ: connections, queues, properties, deliveries, publishing."""

from consumer.rabbitmq.consumer import Broker, queue_names
from consumer.rabbitmq.inspection import BrokerError, BrokerReport, inspect

__all__ = ["Broker", "BrokerError", "BrokerReport", "inspect", "queue_names"]
