"""The engine's side: one channel, and one funnel that every command goes through."""

from __future__ import annotations

from consumer.gateway.answers import GatewayError, Verdict
from consumer.gateway.calls import Answer, Gateway, Pressure
from consumer.gateway.circuit import Circuit

__all__ = ["Answer", "Circuit", "Gateway", "GatewayError", "Pressure", "Verdict"]
