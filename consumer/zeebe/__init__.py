"""The engine's side: one channel, and one funnel that every command goes through."""

from __future__ import annotations

from consumer.core.circuit_breaker import CircuitBreaker
from consumer.zeebe.client import Answer, Gateway, Pressure
from consumer.zeebe.failures import FailureKind, GatewayError

__all__ = ["Answer", "CircuitBreaker", "FailureKind", "Gateway", "GatewayError", "Pressure"]
