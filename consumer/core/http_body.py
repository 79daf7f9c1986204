"""Bodies of HTTP answers: asked for as they are, and read as far as a limit, whatever the server sends.

A library that decompresses would make a gibibyte of a mebibyte. So sessions ask for `PLAIN` bodies, and are made with
`auto_decompress=False`; a server that compresses all the same is refused here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Final, Protocol

__all__ = ["PLAIN", "BodyRefused", "HttpAnswer", "pieces", "read_body"]

PLAIN: Final[Mapping[str, str]] = MappingProxyType({"accept-encoding": "identity"})
"""The header of a request whose answer is to come as it is."""


class BodyRefused(Exception):
    """A body that is not read, or not to its end; the text says why, as the end of a sentence about the server."""


class _Stream(Protocol):
    async def read(self, n: int = -1, /) -> bytes:
        """At most `n` bytes, as soon as there are any; none at the end."""


class HttpAnswer(Protocol):
    """What is needed of an answer of the HTTP library."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Its headers; their names in any case."""

    @property
    def content(self) -> _Stream:
        """Its body as it comes."""


async def pieces(answer: HttpAnswer, limit: int) -> AsyncIterator[bytes]:
    """The body in pieces, at most `limit` bytes in all.

    Raises:
        BodyRefused: it is compressed, before the first piece; or longer, after the last one.
    """
    encoding = answer.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise BodyRefused("sent a compressed body, though asked for a plain one")
    left = limit
    # One byte more than it may have tells whether there is more.
    while piece := await answer.content.read(left + 1):
        if len(piece) > left:
            yield piece[:left]
            raise BodyRefused(f"sent a body of more than {limit} bytes")
        left -= len(piece)
        yield piece


async def read_body(answer: HttpAnswer, limit: int) -> bytes:
    """The whole body.

    Raises:
        BodyRefused: it is compressed, or has more than `limit` bytes.
    """
    return b"".join([piece async for piece in pieces(answer, limit)])
