"""RabbitMQ: connections, queues, properties, deliveries, publishing."""

from consumer.rabbitmq.consumer import Broker, queue_names
from consumer.rabbitmq.inspection import BrokerReport, inspect

__all__ = ["Broker", "BrokerReport", "inspect", "queue_names"]
