"""One example or more for every operation, in an order in which an engine can run them.

The page of operations shows them, and tests decode them and run them.
"""

from __future__ import annotations

from zeebe_amqp.examples.example import Example, Kept, file_text, filled, kept
from zeebe_amqp.examples.story import EXAMPLES

__all__ = ["EXAMPLES", "Example", "Kept", "file_text", "filled", "kept"]
