"""The contract for machines: an AsyncAPI document, and plain JSON Schemas, made from the types.

`python -m zeebe_amqp.asyncapi` prints the document as YAML (with the extra `asyncapi`).
"""

from __future__ import annotations

from zeebe_amqp.asyncapi.document import document
from zeebe_amqp.asyncapi.files import files, write_files
from zeebe_amqp.asyncapi.page import text

__all__ = ["document", "files", "text", "write_files"]
