"""RabbitMQ: connections, queues, properties, deliveries, publishing."""

from consumer.broker.inspection import BrokerError, BrokerReport, inspect
from consumer.broker.service import Broker, queue_names

__all__ = ["Broker", "BrokerError", "BrokerReport", "inspect", "queue_names"]
