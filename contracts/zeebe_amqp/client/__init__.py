"""A client for callers: commands in, typed results out. Needs the extra `client`: `pip install zeebe-amqp[client]`."""

from zeebe_amqp.client.client import Client
from zeebe_amqp.client.job import Job
from zeebe_amqp.client.jobs import Jobs
from zeebe_amqp.client.sync import SyncClient
from zeebe_amqp.client.transport import (
    ConnectionLost,
    Delivery,
    Denied,
    NotConnected,
    Outgoing,
    Peer,
    QueueState,
    Refused,
    Subscription,
    Transport,
    Unroutable,
)
from zeebe_amqp.client.worker import BpmnError, Handler, JobFailure, Worker

__all__ = [
    "BpmnError",
    "Client",
    "ConnectionLost",
    "Delivery",
    "Denied",
    "Handler",
    "Job",
    "JobFailure",
    "Jobs",
    "NotConnected",
    "Outgoing",
    "Peer",
    "QueueState",
    "Refused",
    "Subscription",
    "SyncClient",
    "Transport",
    "Unroutable",
    "Worker",
]
