"""Zeebe: one channel to its gateway, and one engine that every command goes through."""

from __future__ import annotations

from consumer.zeebe.client import ZeebeEngine
from consumer.zeebe.failures import FailureKind, GatewayError
from consumer.zeebe.outgoing import Answer

__all__ = ["Answer", "FailureKind", "GatewayError", "ZeebeEngine"]
