"""The engine's side: one channel, and one funnel that every command goes through."""

from __future__ import annotations

from consumer.core.circuit_breaker import Circuit
from consumer.zeebe.client import Answer, Gateway, Pressure
from consumer.zeebe.failures import GatewayError, Verdict

__all__ = ["Answer", "Circuit", "Gateway", "GatewayError", "Pressure", "Verdict"]
