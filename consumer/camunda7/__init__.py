"""The side of a Camunda 7 engine: its REST API over HTTP."""

from __future__ import annotations

from consumer.camunda7.client import Camunda7

__all__ = ["Camunda7"]
