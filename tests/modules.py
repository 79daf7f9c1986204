"""The modules of both packages."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType

import consumer
import zeebe_amqp

__all__ = ["our_modules"]


def our_modules() -> Iterator[ModuleType]:
    """All of them, imported, but the two that are programs."""
    for package in (consumer, zeebe_amqp):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__"):
                yield importlib.import_module(found.name)
