"""Commands that deploy files."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Self

import msgspec

from zeebe_amqp import wire
from zeebe_amqp.commands.command import DATA, Command, Result
from zeebe_amqp.errors import invalid
from zeebe_amqp.words import flaw, found_in, quoted

BASE64: Final = "base64"
"""The only `metadata.encoding`."""
OTHER_KINDS: Final = (".dmn", ".form")
"""Endings of files that deploy-process does not take."""

_WHITESPACE: Final = b" \t\r\n"
_TEXT: Final = msgspec.json.Decoder(str)


class DeployedProcess(Result, frozen=True, kw_only=True):
    """A process of a deployment; an unchanged one keeps its version and key."""

    bpmn_process_id: str
    version: int
    process_definition_key: int
    resource_name: str
    tenant_id: str


class Deployed(Result, frozen=True, kw_only=True):
    """A deployment of processes."""

    key: int
    processes: tuple[DeployedProcess, ...]
    tenant_id: str


class DeployProcess(Command, frozen=True, kw_only=True):
    """Deploy one BPMN file: its name, its bytes, and the tenant ("" = the default one)."""

    operation: ClassVar[str] = "deploy-process"
    result: ClassVar[Any] = Deployed

    name: str
    content: bytes
    tenant_id: str = ""

    @classmethod
    def from_wire(
        cls, data: bytes, metadata: Mapping[str, str], *, bare: bool = False, max_depth: int = wire.MAX_DEPTH
    ) -> Self:
        """Read the file from `data`: a JSON string, or in the bare form the file itself; its name from `metadata`.

        Raises:
            CommandError: INVALID_ARGUMENT, naming the field.
        """
        content = data if bare else _text(data).encode()
        if metadata.get(wire.ENCODING) == BASE64:
            content = _unpacked(content)
        command = cls(
            name=metadata.get(wire.FILE_NAME, ""), content=content, tenant_id=metadata.get(wire.TENANT_ID, "")
        )
        command.verify()
        return command

    def to_wire(self) -> tuple[bytes, dict[str, str]]:
        """The file as a JSON string (base64 when it is not UTF-8), its name and tenant as metadata."""
        metadata = {wire.FILE_NAME: self.name}
        if self.tenant_id:
            metadata[wire.TENANT_ID] = self.tenant_id
        try:
            text = self.content.decode()
        except UnicodeDecodeError:
            text = base64.b64encode(self.content).decode()
            metadata[wire.ENCODING] = BASE64
        return msgspec.json.encode(text), metadata

    def verify(self) -> None:
        """Refuse a file without a name or content, or of another kind."""
        if not self.name.strip():
            raise invalid("metadata.fileName", 'missing; expected the file\'s name, such as "order.bpmn"')
        if self.name.lower().endswith(OTHER_KINDS):
            raise invalid(
                "metadata.fileName",
                f"{quoted(self.name)} is not a BPMN file; use deploy-resource",
                suggestion="deploy-resource",
            )
        if not self.content:
            raise invalid(DATA, "missing; expected the text of the BPMN file")


def _text(data: bytes) -> str:
    if data == b"{}":
        return ""
    try:
        return _TEXT.decode(data)
    except msgspec.ValidationError:
        raise invalid(DATA, f"expected the file's text as a JSON string, found {found_in(data.strip())}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise invalid(DATA, flaw(problem)) from None


def _unpacked(content: bytes) -> bytes:
    try:
        return base64.b64decode(content.translate(None, _WHITESPACE), validate=True)
    except binascii.Error as problem:
        raise invalid(DATA, f"not valid base64: {problem}") from None
