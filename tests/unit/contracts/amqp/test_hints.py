"""What is advised when a broker is not reached fits the cause, tried with servers that have it."""

from __future__ import annotations

import asyncio

import aio_pika
import pytest
from aiormq.exceptions import AuthenticationError, ProbableAuthenticationError
from yarl import URL

from tests.fakes.sockets import ends, is_a_page, is_silent, served
from zeebe_amqp.amqp import connection as module
from zeebe_amqp.amqp.connection import CONNECTION_ERRORS, LoginRefused, connect, explain

NO_AMQP, NO_TLS = "that is no port for amqp://", "that is no port for amqps://"


async def is_another_protocol(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(8)
    writer.write(b"AMQP\x00\x01\x00\x00")


async def test_each_cause_has_its_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECT_TIMEOUT", 0.5)
    async with (
        served(ends) as ending,
        served(is_silent) as silent,
        served(is_a_page) as page,
        served(is_another_protocol) as other,
    ):
        for url, words in (
            ("amqp://127.0.0.1:1", "nothing listens there"),
            ("amqp://no.such.invalid", "the host name is not known"),
            (f"amqp://{ending}", NO_AMQP),
            (f"amqp://{page}", NO_AMQP),
            (f"amqp://{other}", "what listens there speaks another protocol"),
            (f"amqp://{silent}", "no answer in time: is a firewall between?"),
            (f"amqps://{page}", NO_TLS),
        ):
            with pytest.raises(CONNECTION_ERRORS) as raised:
                await connect(url, "test")
            assert f"({words}" in explain(raised.value), f"{url}: {raised.value!r}"


async def test_a_refused_login_has_advice_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    own, offers = "the broker lets guest in only from its own host", "it offers PLAIN AMQPLAIN, and not EXTERNAL"
    for url, error, words in (
        ("amqp://far", ProbableAuthenticationError("no"), own),
        ("amqp://guest:secret@127.0.0.1", ProbableAuthenticationError("no"), ""),
        ("amqp://localhost", ProbableAuthenticationError("no"), ""),
        ("amqp://ann:secret@far", ProbableAuthenticationError("no"), ""),
        ("amqps://far?auth=external", AuthenticationError("PLAIN AMQPLAIN", ["PLAIN", "EXTERNAL"]), offers),
    ):

        async def refuse(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        monkeypatch.setattr(aio_pika, "connect", refuse)
        with pytest.raises(LoginRefused) as raised:
            await connect(url, "test")
        assert words in str(raised.value), url
        assert (own in str(raised.value)) is (words == own), url
        who = "the client certificate log in" if "external" in url else "user '"
        assert f"the broker at {URL(url).host}:" in str(raised.value)
        assert f" does not let {who}" in str(raised.value)
        assert "secret" not in str(raised.value)
