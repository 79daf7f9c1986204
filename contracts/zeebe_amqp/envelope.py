"""The request message: from a body, its properties and headers to a typed command. Contract sections 2 and 5."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import msgspec

from zeebe_amqp import trace_variable, wire
from zeebe_amqp.body_section import refusal_of
from zeebe_amqp.commands import COMMANDS, Command
from zeebe_amqp.commands.target import Target
from zeebe_amqp.errors import Code, CommandError, invalid, nearest
from zeebe_amqp.schema import json_documents as documents
from zeebe_amqp.schema.formatting import found, found_in, json_error, quoted, truncate, unparsed
from zeebe_amqp.schema.json_members import OBJECT

__all__ = ["Request", "deadline", "decode", "encode", "request_id"]


_TEXTS: Final = msgspec.json.Decoder(dict[str, str])
_ENCODER: Final = msgspec.json.Encoder()
_TEXT: Final = msgspec.json.Decoder(str)

_TRACE: Final = frozenset((*wire.TRACE_NAMES, wire.TRACE_VARIABLE))
_KEYS: Final = (wire.OPERATION, "data", "metadata")
_CHOICES: Final = {wire.KEYS: "string", wire.ENCODING: "base64"}
_ENCODINGS: Final = ("", "identity", "utf-8")
_FILES: Final = "deploy-"
_UNASKED: Final = ("text/plain", "application/octet-stream")
"""Content types that many clients set when nobody chose one: they say nothing."""
_NO_DATA: Final = b"{}"
_NULL: Final = b"null"
_NO_HEADERS: Final[Mapping[str, Any]] = MappingProxyType({})
_FIRST_KEY: Final = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*"operation"\s*:\s*("(?:[^"\\]|\\.){1,1000}")')
_FARTHEST: Final = 2**63


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A decoded request.

    `data` is the command's data as sent (`{}` when absent), `metadata` the texts we read of the envelope's metadata
    (in the bare form: of the headers), `bare` whether the body had no envelope.
    """

    operation: str
    command: Command
    data: bytes
    metadata: dict[str, str]
    bare: bool
    acts_on: Target | None = None
    """What the command acts on, where that is known from elsewhere than the command; a policy decides by it."""
    identity: str | None = None
    """What makes two deliveries the same request, where that is not the id in their messages, whoever sent them; empty:
    nothing does, each one is run."""

    @property
    def keys_as_text(self) -> bool:
        """Whether the caller wants keys as text in the reply."""
        return wire.KEYS in self.metadata

    def digest(self) -> bytes:
        """32 bytes that differ when the request differs; its trace is left out, a resend may have another one."""
        texts = sorted(item for item in self.metadata.items() if item[0] not in _TRACE)
        # Compact JSON has no line break of its own, so that nothing can move from one part into the other.
        digest = hashlib.sha256(_ENCODER.encode((self.operation, self.bare, texts)) + b"\n")
        digest.update(self.data)
        return digest.digest()


def decode(
    body: bytes,
    *,
    type: str | None = None,
    content_type: str | None = None,
    content_encoding: str | None = None,
    headers: Mapping[str, Any] = _NO_HEADERS,
    max_depth: int = wire.MAX_DEPTH,
    size: int | None = None,
    max_body: int = wire.MAX_BODY,
) -> Request:
    """Decode and check a request from its body, properties and headers.

    `max_depth` is how many levels variables may be nested; `size` how many bytes the sender sent, where `body` holds
    only the first of them, or none; `max_body` how many the sender may send, where that is less than everybody may.

    Raises:
        CommandError: INVALID_ARGUMENT, UNIMPLEMENTED (unknown operation) or RESOURCE_EXHAUSTED (body too large),
            with `operation` set to what the request named.
    """
    size = len(body) if size is None else size
    if size > min(max_body, wire.MAX_BODY):
        raise _too_large(body[: wire.KEPT_OF_LARGE], size, max_body, type)
    try:
        _check_encoding(content_encoding)
        parts = _parts(body, type, content_type, headers)
        command = COMMANDS[parts.operation].from_wire(parts.data, parts.metadata, bare=parts.bare, max_depth=max_depth)
        if (variable := parts.metadata.get(wire.TRACE_VARIABLE)) is not None:
            trace_variable.check(command, variable, _place(wire.TRACE_VARIABLE, parts.bare), max_depth)
    except CommandError as error:
        error.operation = _named(body, type)
        raise
    except RecursionError:
        refusal = documents.too_deep("body", max_depth)
        refusal.operation = _named(body, type)
        raise refusal from None
    return Request(
        operation=parts.operation, command=command, data=parts.data, metadata=parts.metadata, bare=parts.bare
    )


def encode(command: Command, *, metadata: Mapping[str, str] | None = None) -> bytes:
    """The envelope for a command; `metadata` is added to the command's own (a deployed file's name)."""
    data, own = command.to_wire()
    envelope = {"operation": command.operation, "data": msgspec.Raw(data), "metadata": {**own, **(metadata or {})}}
    return msgspec.json.encode(envelope)


def deadline(headers: Mapping[str, Any]) -> float | None:
    """When the caller stops waiting, seconds since 1970; None when the header is absent, void or empty.

    Raises:
        CommandError: INVALID_ARGUMENT for anything but a whole number (of milliseconds).
    """
    value = headers.get(wire.DEADLINE)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise invalid(
            f"header {wire.DEADLINE}", f"expected a whole number of milliseconds since 1970, found {_header(value)}"
        )
    return max(-_FARTHEST, min(value, _FARTHEST)) / 1000


def request_id(headers: Mapping[str, Any]) -> str | None:
    """The identity of the request from its header; None when the header is absent, void or empty.

    Raises:
        CommandError: INVALID_ARGUMENT for anything but text of at most 255 bytes.
    """
    value = headers.get(wire.REQUEST_ID)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value.encode("utf-8", "surrogatepass")) > wire.MAX_TEXT:
        raise invalid(f"header {wire.REQUEST_ID}", f"expected text of at most 255 bytes, found {_header(value)}")
    return value


@dataclass(slots=True)
class _Parts:
    """A request taken apart: the operation is known, the data not yet read."""

    operation: str
    data: bytes
    metadata: dict[str, str]
    bare: bool


def _too_large(head: bytes, size: int, max_body: int, type: str | None) -> CommandError:
    limit, whose = wire.MAX_BODY, "twice the gateway's limit"
    if max_body < limit:
        limit, whose = max_body, "the limit of this user"
    error = CommandError(
        Code.RESOURCE_EXHAUSTED,
        f"body: expected at most {limit} bytes, {whose}, found {size}",
        details={"field": "body"},
    )
    error.operation = _named(head, type)
    return error


def _check_encoding(content_encoding: str | None) -> None:
    if (content_encoding or "").lower() not in _ENCODINGS:
        raise invalid(
            "content_encoding", f'expected none, "identity" or "utf-8", found {quoted(content_encoding or "")}'
        )


def _parts(body: bytes, type: str | None, content_type: str | None, headers: Mapping[str, Any]) -> _Parts:
    if (refusal := refusal_of(body, type)) is not None:
        raise invalid("body", refusal)
    if not _is_json(content_type, type):
        return _foreign(body, type, content_type or "", headers)
    members, problem = _read(body)
    if members is not None and wire.OPERATION in members:
        return _envelope(members)
    if type is not None and type in COMMANDS:
        return _bare(body, type, headers)
    if problem and _first_key(body):
        raise invalid("body", problem)
    raise _no_operation(members, problem, type)


def _is_json(content_type: str | None, type: str | None) -> bool:
    if not content_type:
        return True
    media = content_type.partition(";")[0].strip().lower()
    return media == wire.CONTENT_TYPE or (media in _UNASKED and not _is_file(type))


def _is_file(type: str | None) -> bool:
    """Whether the property `type` names an operation whose bare body is a file."""
    return type is not None and type in COMMANDS and type.startswith(_FILES)


def _read(body: bytes) -> tuple[dict[str, msgspec.Raw] | None, str]:
    """The members of the body when it is a JSON object, else what it is."""
    try:
        return OBJECT.decode(body), ""
    except msgspec.ValidationError:
        advice = unparsed(body.strip())
        return None, f"JSON, but not an object{f': text{advice}' if advice else ''}"
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        return None, json_error(problem, body)


def _envelope(members: dict[str, msgspec.Raw]) -> _Parts:
    operation = _operation(members[wire.OPERATION])
    for key in members:
        if key not in _KEYS:
            raise _unknown_key(key)
    if operation not in COMMANDS:
        raise _unknown_operation(operation)
    data = members.get("data")
    raw = _NO_DATA if data is None else bytes(data)
    metadata = members.get("metadata")
    texts = {} if metadata is None else _texts(bytes(metadata))
    return _Parts(operation, _NO_DATA if raw == _NULL else raw, _selected(texts, bare=False), False)


def _operation(raw: msgspec.Raw) -> str:
    try:
        operation = _TEXT.decode(raw)
    except msgspec.ValidationError:
        if bytes(raw) != _NULL:
            raise invalid(wire.OPERATION, f"expected the name of an operation, found {found_in(bytes(raw))}") from None
        operation = ""
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise invalid(wire.OPERATION, json_error(problem, bytes(raw))) from None
    if not operation:
        raise _missing(f"expected one of {', '.join(COMMANDS)}")
    return operation


def _missing(hint: str, suggestion: str | None = None) -> CommandError:
    error = invalid(wire.OPERATION, hint, suggestion=suggestion)
    return CommandError(error.code, f"operation missing: {hint}", details=error.details)


def _no_operation(members: dict[str, msgspec.Raw] | None, problem: str, type: str | None) -> CommandError:
    suggestion = nearest(type, COMMANDS) if type else None
    if members is not None:
        alike = nearest(wire.OPERATION, members)
        problem = 'no key "operation"' + (f", only {quoted(alike)}" if alike else "")
    named = f"the property type is {quoted(type)}" if type else "the property type names none"
    hint = f"; did you mean {quoted(suggestion)}?" if suggestion else ""
    return _missing(f"the body is not an envelope ({problem}) and {named}{hint}", suggestion)


def _unknown_key(key: str) -> CommandError:
    suggestion = nearest(key, _KEYS)
    hint = f"did you mean {quoted(suggestion)}?" if suggestion else "an envelope has operation, data and metadata"
    return invalid(truncate(key) or '""', f"unknown key of the envelope; {hint}", suggestion=suggestion)


def _unknown_operation(operation: str) -> CommandError:
    suggestion = nearest(operation, COMMANDS)
    hint = f"did you mean {quoted(suggestion)}?" if suggestion else f"known are {', '.join(COMMANDS)}"
    error = invalid(wire.OPERATION, f"{quoted(operation)} is not an operation; {hint}", suggestion=suggestion)
    return CommandError(Code.UNIMPLEMENTED, error.message, details=error.details)


def _texts(raw: bytes) -> dict[str, str]:
    if raw in (_NO_DATA, _NULL):
        return {}
    try:
        return _TEXTS.decode(raw)
    except msgspec.ValidationError:
        return _latest_texts(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise invalid("metadata", json_error(problem, raw)) from None


def _latest_texts(raw: bytes) -> dict[str, str]:
    """The metadata when something in it is not text: refused, unless the same key comes again as text."""
    if not raw.startswith(b"{"):
        raise invalid("metadata", f"expected an object of texts, found {found_in(raw)}{unparsed(raw)}")
    members = OBJECT.decode(raw)
    for key, value in members.items():
        if not bytes(value).startswith(b'"'):
            raise invalid(f"metadata.{truncate(key)}", f"expected text, found {found_in(bytes(value))}")
    return _TEXTS.decode(_ENCODER.encode(members))


def _selected(texts: Mapping[str, Any], bare: bool) -> dict[str, str]:
    """The texts we read; empty ones, and headers of other types, are as if absent."""
    if not texts:
        return {}
    selected = {name: text for name in wire.METADATA_NAMES if isinstance(text := texts.get(name), str) and text}
    for name, accepted in _CHOICES.items():
        if selected.get(name, accepted) != accepted:
            expected = f"expected {quoted(accepted)} or nothing"
            raise invalid(_place(name, bare), f"{expected}, found {quoted(selected[name])}")
    return selected


def _place(name: str, bare: bool) -> str:
    """Where the caller wrote a metadatum."""
    return f"header {name}" if bare else f"metadata.{name}"


def _foreign(body: bytes, type: str | None, content_type: str, headers: Mapping[str, Any]) -> _Parts:
    """Any content type but JSON says "bare", and only files may be that."""
    if type is not None and _is_file(type):
        return _bare(body, type, headers)
    raise invalid("content_type", f"expected {wire.CONTENT_TYPE} or none, found {quoted(content_type)}")


def _bare(body: bytes, operation: str, headers: Mapping[str, Any]) -> _Parts:
    absent = not operation.startswith(_FILES) and body.strip() in (b"", _NULL)
    return _Parts(operation, _NO_DATA if absent else body, _selected(headers, bare=True), True)


def _named(body: bytes, type: str | None) -> str | None:
    """What the request named as its operation, cut; None when it named none. For requests that were refused."""
    try:
        raw: Any = OBJECT.decode(body).get(wire.OPERATION)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raw = None if type in COMMANDS else _first_key(body)
    if raw is None:
        return type if type in COMMANDS else None
    try:
        return _TEXT.decode(raw)[: wire.MAX_NAME] or None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _first_key(body: bytes) -> bytes | None:
    """The operation of an envelope that is too long, too deep or broken further on, where it comes first."""
    first = _FIRST_KEY.match(body)
    return first[1] if first else None


def _header(value: Any) -> str:
    return found(value) if isinstance(value, (str, int, float)) else f"a value of type {type(value).__name__}"
