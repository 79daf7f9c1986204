"""How answers are read, by name: without an envelope, or in the one of a framework."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from zeebe_amqp.jobs.answers import Reading, plain

__all__ = ["PLAIN", "READINGS"]

PLAIN: Final = "plain"
"""The reading where none is named."""
READINGS: Final[Mapping[str, Reading]] = MappingProxyType({PLAIN: plain})
"""By the name that a type's table gives."""
