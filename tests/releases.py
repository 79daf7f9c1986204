"""Which releases of RabbitMQ the tests run on: all on one, and what a newer one may change on the newest as well."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from xdist.scheduler import LoadFileScheduling

from scripts.rabbitmq import RabbitMQ
from scripts.rabbitmq_release import NEWER, NEWEST, VARIABLE, WITHOUT_NEWER

ON_BOTH = {
    "test_broker_replies.py": "replies, returns, direct reply-to",
    "test_neighbours.py": "confirms and refusals of full queues",
    "test_broker_dead_letters.py": "dead letters",
    "test_full_dead_letters.py": "bounds of the dead-letter queue",
    "test_outages.py": "alarms, lost connections, a broker that ends",
    "test_worker_queues.py": "the delivery limit of jobs",
    "test_storm.py": "hostile messages",
    "test_queues.py": "queues that are deleted or differ",
    "test_strict_replies.py": "permissions on exchanges, topics and queues",
    "test_large_replies.py": "the limit of a message",
}
"""The files that run on the newest release, too, and what of it they are about; `BROKER=4.3` runs all on it."""


def named() -> str:
    """The release of all tests: the one that `BROKER` names, else the machine's own, which has no name here."""
    return os.environ.get(VARIABLE, "")


def newer() -> Sequence[str]:
    """The newer releases for tests of what only they can do: all, or none where `BROKER_NEWER=no`."""
    return () if os.environ.get(WITHOUT_NEWER) == "no" else tuple(NEWER)


def releases_of(test: pytest.Metafunc) -> Sequence[str]:
    """On which a test runs. One of `AMQP_URL` is what it is."""
    if test.definition.path.name in ON_BOTH and NEWEST in newer() and not (named() or os.environ.get("AMQP_URL")):
        return (named(), NEWEST)
    return (named(),)


class Schedule(LoadFileScheduling):
    """Files stay whole, and what runs on the newest release stays together: it has servers of its own."""

    _on_newest = re.compile(rf"[\[-]{re.escape(NEWEST)}[\]-]")

    def _split_scope(self, nodeid: str) -> str:
        return NEWEST if self._on_newest.search(nodeid) else super()._split_scope(nodeid)


class Nodes:
    """Nodes that tests share, each started when it is first wanted; `stop` ends them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._running: dict[tuple[str, str], RabbitMQ] = {}

    def get(self, purpose: str, release: str) -> RabbitMQ:
        """The node for a purpose, of a release."""
        key = purpose, release
        if key not in self._running:
            self._running[key] = RabbitMQ(self._directory / "-".join(filter(None, key)), version=release).start()
        return self._running[key]

    def stop(self) -> None:
        """End them."""
        for node in self._running.values():
            node.stop()
