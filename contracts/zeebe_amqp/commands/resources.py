"""Commands that deploy files, and delete what was deployed."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar, Final, Literal, Self

import msgspec
from msgspec import Meta

from zeebe_amqp import wire
from zeebe_amqp.commands.command import DATA, Command, Part, Result
from zeebe_amqp.commands.deployments import Deployed, ResourcesDeployed
from zeebe_amqp.commands.target import DEFAULT_TENANT, Target
from zeebe_amqp.errors import invalid
from zeebe_amqp.schema import byte_order_mark, bytes_in_json
from zeebe_amqp.schema.fields import Key, Maybe, Name, Reference, Text
from zeebe_amqp.schema.formatting import found_in, json_error, quoted, unparsed

__all__ = [
    "BASE64",
    "OTHER_KINDS",
    "BatchOperation",
    "DeleteResource",
    "DeployProcess",
    "DeployResource",
    "Resource",
    "ResourceDeleted",
]


BASE64: Final = "base64"
"""The only encoding that is named: of `metadata.encoding`, and of a resource in a list."""
OTHER_KINDS: Final = (".dmn", ".form")
"""Endings of files that deploy-process does not take."""

_WHITESPACE: Final = b" \t\r\n"
_PACKED: Final = ("P", "77u/")
"""How base64 begins of what begins with a "<", or with a byte order mark."""
_NO_DATA: Final = b"{}"
_TEXT: Final = msgspec.json.Decoder(str)
_DECLARATION: Final = re.compile(r"\ufeff?<\?xml\s")
_DECLARED: Final = re.compile(r"\bencoding\s*+=\s*+[\"']([^\"']*)")
_UTF8: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})


class DeployProcess(Command[Deployed], frozen=True, kw_only=True):
    """Deploy one BPMN file.

    A process that has not changed keeps its version and key.

    Args:
        name: the file's name; its ending says what it is.
        content: the file itself: in JSON its text, whose XML declaration may name no encoding but UTF-8, or its bytes
            in base64; in the bare form its bytes.
        tenant_id: the tenant that the files are deployed for, if the engine separates tenants; "" is the default
            tenant.

    Errors:
        INVALID_ARGUMENT: the file is not valid, has no executable process or is of another kind; the message says
            where.
    """

    operation: ClassVar[str] = "deploy-process"
    idempotent: ClassVar[bool] = True
    in_metadata: ClassVar[frozenset[str]] = frozenset({"tenantId"})
    named_by: ClassVar[Mapping[str, str]] = {"resources": "name", "processes": "content"}
    places: ClassVar[Mapping[str, str]] = {
        "processes": DATA, "decisions": DATA, "resources": "metadata.fileName", "tenants": "metadata.tenantId",
    }  # fmt: skip

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
        name, content = _file(data, metadata, bare)
        command = cls(name=name, content=content, tenant_id=metadata.get(wire.TENANT_ID, ""))
        command.verify()
        return command

    def to_wire(self) -> tuple[bytes, dict[str, str]]:
        """The file as a JSON string (base64 when it is not UTF-8, or says so), its name and tenant as metadata."""
        metadata = {wire.FILE_NAME: self.name}
        if self.tenant_id:
            metadata[wire.TENANT_ID] = self.tenant_id
        text, encoding = _write(self.content)
        if encoding:
            metadata[wire.ENCODING] = encoding
        return msgspec.json.encode(text), metadata

    def verify(self) -> None:
        """Refuse a file without a name or content, or of another kind."""
        _check_file(self.name, self.content, "order.bpmn")
        if self.name.lower().endswith(OTHER_KINDS):
            raise invalid(
                "metadata.fileName",
                f"{quoted(self.name)} is not a BPMN file; use deploy-resource",
                suggestion="deploy-resource",
            )

    def files(self) -> Iterable[tuple[str, bytes]]:
        """The one file."""
        return ((self.name, self.content),)

    def named(self) -> Target:
        """The file's name, and the tenant."""
        return Target(resources=(self.name,), tenants=(self.tenant_id or DEFAULT_TENANT,))


class Resource(Part, frozen=True, kw_only=True):
    """A file to deploy.

    Args:
        name: the file's name; its ending says what it is.
        content: the file's text, whose XML declaration may name no encoding but UTF-8; or its bytes in base64.
        encoding: "base64" if the text is base64, of bytes in any encoding.
    """

    name: Name
    content: Text
    encoding: Maybe[Literal["base64"]] = None

    @classmethod
    def of(cls, name: str, content: bytes) -> Self:
        """Make a resource from the bytes of a file. Other encodings than UTF-8 become base64."""
        text, encoding = _write(content)
        return cls(name=name, content=text, encoding=encoding)

    def unpacked(self) -> bytes:
        """The file's bytes.

        Raises:
            ValueError: the content is not valid base64.
        """
        return _unpack(self.content.encode()) if self.encoding else self.content.encode()


class DeployResource(Command[ResourcesDeployed], frozen=True, kw_only=True):
    """Deploy BPMN, DMN and form files, all or none.

    What has not changed keeps its version and key.

    Args:
        resources: the files to deploy.
        tenant_id: the tenant that the files are deployed for, if the engine separates tenants; "" is the default
            tenant.

    Errors:
        INVALID_ARGUMENT: a file is not valid or of a kind that the engine does not know, or two have the same process;
            the message says where, and nothing is deployed.
    """

    operation: ClassVar[str] = "deploy-resource"
    idempotent: ClassVar[bool] = True
    in_metadata: ClassVar[frozenset[str]] = frozenset({"tenantId"})
    named_by: ClassVar[Mapping[str, str]] = dict.fromkeys(("resources", "processes", "decisions"), "resources")

    resources: Annotated[tuple[Resource, ...], Meta(min_length=1)]
    tenant_id: str = ""

    @classmethod
    def from_wire(
        cls, data: bytes, metadata: Mapping[str, str], *, bare: bool = False, max_depth: int = wire.MAX_DEPTH
    ) -> Self:
        """Read one file as deploy-process does, or an object with the list of files.

        Raises:
            CommandError: INVALID_ARGUMENT, naming the field.
        """
        if _is_list(data, metadata, bare):
            return cls._listed(data, metadata, max_depth)
        name, content = _file(data, metadata, bare, ", or an object with the list resources")
        if not name and not bare and (advice := unparsed(data)):
            raise invalid(
                DATA, f"expected an object with the list resources, or a file that has a name, found text{advice}"
            )
        _check_file(name, content, "order.dmn")
        return cls(resources=(Resource.of(name, content),), tenant_id=metadata.get(wire.TENANT_ID, ""))

    @classmethod
    def _listed(cls, data: bytes, metadata: Mapping[str, str], max_depth: int) -> Self:
        for name in (wire.FILE_NAME, wire.ENCODING, wire.TENANT_ID):
            if name in metadata:
                raise invalid(f"metadata.{name}", f"not allowed beside a list of files; {_INSTEAD[name]}")
        return super().from_wire(data, metadata, max_depth=max_depth)

    def verify(self) -> None:
        """Refuse what is not base64 and says so, and an empty file."""
        for index, resource in enumerate(self.resources):
            _check_content(resource, f"{DATA}.resources[{index}].content")

    def files(self) -> Iterable[tuple[str, bytes]]:
        """All files."""
        return ((resource.name, resource.unpacked()) for resource in self.resources)

    def named(self) -> Target:
        """The names of the files, and the tenant."""
        names = dict.fromkeys(resource.name for resource in self.resources)
        return Target(resources=tuple(names), tenants=(self.tenant_id or DEFAULT_TENANT,))


class BatchOperation(Result, frozen=True, kw_only=True):
    """A batch operation that the engine started.

    Attributes:
        batch_operation_key: its key, as text.
        batch_operation_type: what it does, such as DELETE_PROCESS_INSTANCE.
    """

    batch_operation_key: str
    batch_operation_type: str


class ResourceDeleted(Result, frozen=True, kw_only=True):
    """A deleted resource.

    Attributes:
        resource_key: the key of the resource, as text; "" before gateway 8.9.
        batch_operation: the batch operation that deletes the history, if there is one.
    """

    resource_key: str = ""
    batch_operation: BatchOperation | None = None


class DeleteResource(Command[ResourceDeleted], frozen=True, kw_only=True):
    """Delete a deployed resource by its key: a process definition, decision requirements or a form.

    Args:
        resource_key: the key of the process definition, the decision requirements or the form.
        delete_history: true: delete the history of the process, too, in the background. Other resources have none.
        operation_reference: a number of your own, which the engine writes into all records of this command.

    Errors:
        NOT_FOUND: no such resource has this key; a single decision has no resource of its own.
        FAILED_PRECONDITION: the process still has running instances.
    """

    operation: ClassVar[str] = "delete-resource"
    idempotent: ClassVar[bool] = True

    resource_key: Key
    delete_history: Maybe[bool] = None
    operation_reference: Maybe[Reference] = None


_INSTEAD: Final = {
    wire.FILE_NAME: "each file has a name of its own",
    wire.ENCODING: "each file has an encoding of its own",
    wire.TENANT_ID: "name the tenant in data.tenantId",
}


_IN_BASE64: Final = 'send the file\'s bytes in base64, with "encoding": "base64"'
_AS_BYTES: Final = (
    "send the file's bytes: in base64 with metadata.encoding = \"base64\", or bare, as the message's whole body"
)


def _file(data: bytes, metadata: Mapping[str, str], bare: bool, alternative: str = "") -> tuple[str, bytes]:
    """The name and the bytes of one file; `alternative` says what else the data might have been."""
    if bare and (found := bytes_in_json.named(data.strip())):
        raise invalid(DATA, f"expected the file's bytes as the message's whole body, found {found} in JSON")
    name, packed = metadata.get(wire.FILE_NAME, ""), wire.ENCODING in metadata
    text = "" if bare else _text(data, alternative)
    if not packed:
        _check_unpacked(text, DATA, 'set metadata.encoding = "base64"')
        _check_declaration(text, DATA, _AS_BYTES)
    content = data if bare else text.encode()
    try:
        return name, _unpack(content) if packed else content
    except ValueError as problem:
        raise invalid(DATA, str(problem)) from None


def _check_file(name: str, content: bytes, example: str) -> None:
    if not name.strip():
        raise invalid("metadata.fileName", f"missing; expected the file's name, such as {quoted(example)}")
    if not content:
        raise invalid(DATA, "missing; expected the text of the file")


def _check_unpacked(text: str, field: str, instead: str) -> None:
    """Refuse XML in base64 that does not say so: Java, C# and Go write bytes like this into JSON."""
    if _is_packed_xml(text):
        raise invalid(field, f"expected the file's text, found its bytes in base64; {instead}")


def _is_packed_xml(text: str) -> bool:
    if not text.startswith(_PACKED):
        return False
    try:
        return byte_order_mark.without(_unpack(text.encode())).lstrip().startswith(b"<")
    except ValueError:
        return False


def _check_declaration(text: str, field: str, instead: str) -> None:
    """Refuse a text that calls itself otherwise encoded than it will be: the engine would read other letters."""
    if declared := _declared(text):
        expected = f"expected text that declares UTF-8 or nothing, since it is handed on as UTF-8; {instead}"
        raise invalid(field, f"found the XML declaration encoding={quoted(declared)}; {expected}")


def _declared(text: str) -> str:
    """The encoding that an XML declaration names when it is another than UTF-8, else ""."""
    end = text.find("?>") if _DECLARATION.match(text) else -1
    found = _DECLARED.search(text, 0, end) if end > 0 else None
    return found[1] if found is not None and found[1].strip().lower() not in _UTF8 else ""


def _check_content(resource: Resource, field: str) -> None:
    if resource.encoding is None:
        _check_unpacked(resource.content, field, 'add "encoding": "base64"')
        _check_declaration(resource.content, field, _IN_BASE64)
    try:
        content = resource.unpacked()
    except ValueError as problem:
        raise invalid(field, str(problem)) from None
    if not content:
        raise invalid(field, "missing; expected the text of the file")


def _is_list(data: bytes, metadata: Mapping[str, str], bare: bool) -> bool:
    """Whether the data are an object with a list of files, not one file."""
    named = wire.FILE_NAME in metadata
    # No data at all reads as an empty object: with a file's name it is the file that is missing.
    is_object = data.lstrip(_WHITESPACE).startswith(b"{")
    return is_object and not (named and (bare or data == _NO_DATA)) and not bytes_in_json.named(data.strip())


def _text(data: bytes, alternative: str) -> str:
    if data == _NO_DATA:
        return ""
    try:
        return _TEXT.decode(data)
    except msgspec.ValidationError:
        expected = f"the file's text as a JSON string{alternative}"
        found = data.strip()
        raise invalid(DATA, f"expected {expected}, found {found_in(found)}{bytes_in_json.advice(found)}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise invalid(DATA, json_error(problem, data)) from None


def _write(content: bytes) -> tuple[str, Literal["base64"] | None]:
    """A file's bytes as text, and how it is encoded."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return base64.b64encode(content).decode(), BASE64
    # As text the service would refuse it.
    refused = _declared(text) or _is_packed_xml(text)
    return (base64.b64encode(content).decode(), BASE64) if refused else (text, None)


def _unpack(content: bytes) -> bytes:
    if mark := byte_order_mark.refusal(content, 0):
        raise ValueError(f"not valid base64: {mark}")
    try:
        return base64.b64decode(content.translate(None, _WHITESPACE), validate=True)
    except binascii.Error as problem:
        raise ValueError(f"not valid base64: {problem}") from None
