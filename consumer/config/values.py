"""The values of settings: each parser turns text into a value, or raises ValueError saying what is accepted."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zeebe_amqp import trace_variable, wire
from zeebe_amqp.schema.durations import milliseconds

__all__ = [
    "AuditSink",
    "Target",
    "audit_sink",
    "choice",
    "console_token",
    "content",
    "exchange",
    "file",
    "gateway_address",
    "globs",
    "http_address",
    "job_types",
    "path",
    "queues",
    "seconds",
    "secret_file",
    "signing_keys",
    "switch",
    "user_name",
    "variable_name",
    "whole",
    "words",
]

GATEWAY_PORT: Final = 26500
"""The port of a gateway given as a host alone, as the official clients take it."""

TRUE: Final = frozenset({"y", "yes", "true", "t", "on", "1"})
FALSE: Final = frozenset({"n", "no", "false", "f", "off", "0"})

MIN_KEY: Final = 32
"""Bytes of a signing key, at least."""
_QUEUES_OF_AUDIT: Final = ("stream", "exchange")

_HOST_AND_PORT: Final = re.compile(r"(\[[0-9A-Fa-f:.]+(?:%\w+)?\]|[^\s:/?#@\[\],\0-\x1f\x7f]+):([0-9]{1,5})")
_HOST: Final = re.compile(r"\[[0-9A-Fa-f:.]+(?:%\w+)?\]|[^\s:/?#@\[\],\0-\x1f\x7f]+")
_PLAINTEXT: Final = {"grpc": True, "http": True, "grpcs": False, "https": False}


@dataclass(frozen=True)
class Target:
    """Where the gateway is: a gRPC target, and whether its scheme asked for plaintext (None = no scheme)."""

    address: str
    plaintext: bool | None = None

    @property
    def host(self) -> str:
        """The host without scheme and port."""
        return self.address.rpartition("/")[2].rpartition(":")[0]


@dataclass(frozen=True)
class AuditSink:
    """Where the audit is written."""

    kind: str
    """`stdout`, `file`, `stream` or `exchange`."""
    name: str = ""
    """Of the file, stream or exchange."""

    def __str__(self) -> str:
        """As it is written in the setting."""
        return {"stdout": "stdout", "file": self.name}.get(self.kind, f"{self.kind}:{self.name}")


def whole(least: int, most: int) -> Callable[[str], int]:
    """A parser of whole numbers from `least` to `most`."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", text) or not least <= int(text) <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return int(text)

    return parse


def seconds(least: float, most: float, *, bare: float | None = None) -> Callable[[str], float]:
    """A parser of durations from `least` to `most` seconds.

    A number without unit counts in units of `bare` seconds, and is refused when `bare` is None.
    """
    number = f"; a number without unit counts {bare * 1000:g} ms" if bare else " with its unit"
    accepted = f'a duration from {_span(least)} to {_span(most)} such as "45s", "1m30s" or "PT45S"{number}'

    def parse(text: str) -> float:
        try:
            found = float(text) * bare if bare and text.isdecimal() else milliseconds(text) / 1000
        except ValueError:
            raise ValueError(accepted) from None
        if not least <= found <= most:
            raise ValueError(accepted)
        return found

    return parse


def _span(seconds: float) -> str:
    """A duration as people write it, in the largest unit in which it is a whole number."""
    units = (("h", 3600), ("m", 60), ("s", 1))
    whole_units = (f"{seconds / size:g}{unit}" for unit, size in units if seconds >= size and seconds % size == 0)
    return next(whole_units, f"{seconds * 1000:g}ms" if seconds else "0s")


def exchange(text: str) -> str:
    """The name of an exchange of ours."""
    if not re.fullmatch(r"[A-Za-z0-9_.:-]{1,127}", text) or text.startswith("amq."):
        raise ValueError("a name of letters, digits and - _ . : that does not begin with amq.")
    return text


def choice(*words: str) -> Callable[[str], str]:
    """A parser of one of `words`, in any case."""

    def parse(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(" or ".join(words))
        return text.lower()

    return parse


def switch(text: str) -> bool:
    """A yes or no, in the words of the component files."""
    if text.lower() not in TRUE | FALSE:
        raise ValueError("true (y yes t on 1) or false (n no f off 0)")
    return text.lower() in TRUE


def file(text: str) -> Path:
    """A file that can be read."""
    found = path(text)
    try:
        found.open("rb").close()
    except OSError as error:
        raise ValueError(f"a file that can be read ({error.strerror})") from error
    return found


def audit_sink(text: str) -> AuditSink | None:
    """Where the audit is written; None = nowhere."""
    if text.lower() == "off":
        return None
    if text.lower() == "stdout":
        return AuditSink("stdout")
    kind, colon, name = text.partition(":")
    if colon and kind in _QUEUES_OF_AUDIT:
        if not name or len(name.encode()) > wire.MAX_TEXT or not name.isprintable():
            raise ValueError(f"{kind}:NAME, a name of at most {wire.MAX_TEXT} bytes")
        return AuditSink(kind, name)
    if "/" not in text:
        raise ValueError("off, stdout, a path with a slash, stream:NAME or exchange:NAME")
    return AuditSink("file", str(path(text)))


def signing_keys(text: str) -> tuple[bytes, ...]:
    """Keys separated by commas or white space; the first one signs."""
    keys = tuple(key.encode() for key in re.split(r"[\s,]+", text) if key)
    if not keys or min(map(len, keys)) < MIN_KEY:
        raise ValueError(
            f"keys of at least {MIN_KEY} bytes each, separated by commas; `openssl rand -base64 32` makes one"
        )
    return keys


def console_token(text: str) -> str:
    """What opens the console: long enough that nobody guesses it, and such that a person can type it."""
    if len(text) < MIN_KEY or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(
            f"at least {MIN_KEY} ASCII characters without white space; `openssl rand -base64 32` makes such a token"
        )
    return text


def words(text: str) -> str:
    """Text on one line: names, scopes, secrets. Anything else would break the header it is sent in."""
    if not text.strip() or not text.isprintable():
        raise ValueError("text on one line")
    return text


def user_name(text: str) -> str:
    """The user of Basic authentication, which a colon would end."""
    if ":" in words(text):
        raise ValueError("text on one line without a colon")
    return text


def globs(text: str) -> tuple[str, ...]:
    """Comma-separated patterns."""
    patterns = tuple(part.strip() for part in text.split(","))
    if not all(each and each.isprintable() for each in patterns):
        raise ValueError("comma-separated patterns such as *reply*, printable and none of them empty")
    return patterns


def job_types(text: str) -> tuple[str, ...]:
    """Comma-separated types of jobs."""
    names = tuple(part.strip() for part in text.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise ValueError("types of jobs such as charge-card,ship-order, each once and none of them empty")
    return names


def variable_name(text: str) -> str:
    """The name of a variable of a process."""
    if not trace_variable.is_name(text):
        raise ValueError(trace_variable.ACCEPTED)
    return text


def queues(text: str) -> tuple[str, ...]:
    """Comma-separated names of queues: distinct, at most 255 bytes, not in the broker's own `amq.` space."""
    found = tuple(part.strip() for part in text.split(","))
    if len(set(found)) < len(found) or not all(0 < len(name.encode()) <= 255 and name.isprintable() for name in found):
        raise ValueError("comma-separated names of queues, each once, printable and 1 to 255 bytes long")
    if any(name.startswith("amq.") for name in found):
        raise ValueError("names of queues that do not begin with amq. (these belong to the broker)")
    return found


def gateway_address(text: str) -> Target:
    """`host:port`, `host`, `dns:///host:port`, or a URI whose scheme decides about TLS."""
    accepted = "host:port, dns:///host:port, grpc://host:port (plaintext, or http://), grpcs://host:port (or https://)"
    scheme, separator, rest = text.partition("://")
    if not separator:
        address = f"{text}:{GATEWAY_PORT}" if _HOST.fullmatch(text) else text
        return Target(_host_and_port(address, accepted))
    if scheme == "dns":
        authority, slash, name = rest.partition("/")
        return Target(f"dns://{authority}{slash or '/'}{_host_and_port(name, accepted)}")
    if scheme not in _PLAINTEXT:
        raise ValueError(accepted)
    return Target(_host_and_port(rest.removesuffix("/"), accepted), _PLAINTEXT[scheme])


def _host_and_port(text: str, accepted: str) -> str:
    match = _HOST_AND_PORT.fullmatch(text)
    if not match or not 0 < int(match[2]) <= 65535:
        raise ValueError(accepted)
    return text


def http_address(text: str) -> tuple[str, int] | None:
    """`host:port` to listen at, port 0 for any free one; None for `off`."""
    if text.lower() == "off":
        return None
    match = _HOST_AND_PORT.fullmatch(text)
    if not match or int(match[2]) > 65535:
        raise ValueError("host:port (0.0.0.0:8080 for all interfaces) or off")
    return match[1].strip("[]"), int(match[2])


def path(text: str) -> Path:
    """A path, `~` expanded; what it points to may come later."""
    if "\0" in text:
        raise ValueError("a path")
    # Unlike Path.expanduser this leaves an unknown user's folder as it is.
    return Path(os.path.expanduser(text))


def content(text: str, accepted: str) -> bytes:
    """What is in the file of this path; ValueError says what is `accepted` and why it cannot be read."""
    try:
        return path(text).read_bytes()
    except OSError as error:
        raise ValueError(f"{accepted} ({error.strerror})") from error


def secret_file(text: str) -> str:
    """The content of a file such as a mounted secret, without the line end that editors add."""
    accepted = "the path of a readable text file that is not empty"
    try:
        found = content(text, accepted).decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{accepted} (this one is not UTF-8)") from error
    if not found:
        raise ValueError(f"{accepted} (this one is empty)")
    return found
