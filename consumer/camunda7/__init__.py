"""A Camunda 7 engine: its REST API over HTTP."""

from __future__ import annotations

from consumer.camunda7.client import Camunda7Engine
from consumer.camunda7.operations import accepts, reach

__all__ = ["Camunda7Engine", "accepts", "reach"]
