"""Bodies of HTTP answers are read as far as a limit, and only as they were asked for."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp
import pytest

from consumer.core.http_body import PLAIN, BodyRefused, pieces, read_body
from tests.cases import for_each
from tests.fakes.rest import FakeRest, answer

LIMIT = 1000


@dataclass
class Stream:
    """A body that comes in pieces of a few bytes; it counts what was taken of it."""

    body: bytes
    taken: int = 0

    async def read(self, n: int = -1, /) -> bytes:
        piece = self.body[self.taken :][: min(n, 300)]
        self.taken += len(piece)
        return piece


@dataclass
class Answer:
    """As much of an answer as is looked at."""

    content: Stream
    headers: Mapping[str, str] = field(default_factory=dict)


@for_each([0, 1, 299, 300, 301, LIMIT - 1, LIMIT])
async def test_a_body_within_the_limit_is_read_whole(size: int) -> None:
    body = bytes(range(256)) * 4
    assert await read_body(Answer(Stream(body[:size])), LIMIT) == body[:size]


@for_each([LIMIT + 1, LIMIT * 1000])
async def test_of_a_longer_body_no_more_than_the_limit_is_taken(size: int) -> None:
    stream = Stream(b"x" * size)
    parts = pieces(Answer(stream), LIMIT)
    got = [len(await anext(parts)) for _ in range(4)]
    with pytest.raises(BodyRefused, match="more than 1000 bytes"):
        await anext(parts)
    assert (got, stream.taken) == ([300, 300, 300, 100], LIMIT + 1)


@for_each(["gzip", "GZIP", "deflate", "br", "zstd", "identity, gzip", "x-unknown"])
async def test_nothing_is_read_of_a_compressed_body(encoding: str) -> None:
    stream = Stream(b"x")
    with pytest.raises(BodyRefused, match="compressed"):
        await read_body(Answer(stream, {"content-encoding": encoding}), LIMIT)
    assert stream.taken == 0


@for_each([{}, {"content-encoding": ""}, {"content-encoding": "Identity"}])
async def test_a_plain_body_is_read(headers: Mapping[str, str]) -> None:
    assert await read_body(Answer(Stream(b"x"), headers), LIMIT) == b"x"


async def test_the_http_library_asks_for_plain_bodies_and_decompresses_none() -> None:
    bomb = gzip.compress(bytes(2**24))
    with FakeRest() as server:
        server.script(answer(200, bomb, Content_Encoding="gzip"), answer(200, b"plain"))
        async with aiohttp.ClientSession(auto_decompress=False, headers=PLAIN) as session:
            async with session.get(server.url) as response:
                with pytest.raises(BodyRefused, match="compressed"):
                    await read_body(response, LIMIT)
            async with session.get(server.url) as response:
                assert await read_body(response, LIMIT) == b"plain"
        assert [each.headers["accept-encoding"] for each in server.requests] == ["identity"] * 2
