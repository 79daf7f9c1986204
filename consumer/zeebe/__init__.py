"""Zeebe: one channel to its gateway, and one engine that every command goes through."""

from __future__ import annotations

from consumer.zeebe.client import Answer, ZeebeEngine
from consumer.zeebe.failures import FailureKind, GatewayError

__all__ = ["Answer", "FailureKind", "GatewayError", "ZeebeEngine"]
