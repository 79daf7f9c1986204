"""What is advised when the gateway is not reached fits the cause, tried with servers that have it."""

from __future__ import annotations

import asyncio

import pytest

from consumer.config import Zeebe
from consumer.zeebe import ZeebeEngine, client
from consumer.zeebe.hints import add_hint
from tests.fakes.gateway import FakeGateway
from tests.fakes.sockets import ends, is_a_page, is_silent, served
from tests.unit.consumer.zeebe.authority import Authority, setting
from tests.unit.consumer.zeebe.test_gateway_channel import CERTIFICATE, NAME, encrypted
from zeebe_amqp.errors import CommandError

NOWHERE = "127.0.0.1:1"
THROUGH = "the way to the gateway leads through the proxy"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine's environment says."""
    for name in ("grpc_proxy", "https_proxy", "http_proxy", "no_grpc_proxy", "no_proxy", "NO_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)


async def forbids(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")


async def advice(zeebe: Zeebe) -> str:
    """What an operator is told of a gateway; "" when it answers."""
    engine = ZeebeEngine(zeebe)
    try:
        await add_hint(engine.probe, zeebe)
    except CommandError as error:
        return error.message
    finally:
        await engine.close()
    return ""


async def test_each_cause_has_its_advice(monkeypatch: pytest.MonkeyPatch, fake: FakeGateway) -> None:
    monkeypatch.setattr(client, "PROBE_TIMEOUT", 0.5)
    async with encrypted() as tls, served(ends) as ending, served(is_silent) as silent, served(is_a_page) as page:
        for zeebe, words in (
            (Zeebe(NOWHERE, plaintext=True), "nothing listens at ZEEBE_ADDRESS"),
            (Zeebe("no.such.invalid:26500", plaintext=True), "the host name in ZEEBE_ADDRESS is unknown"),
            (Zeebe(ending, plaintext=True), "the server closes the connection: does it require TLS (ZEEBE_INSECURE"),
            (
                Zeebe(tls.address, plaintext=True),
                "the server closes the connection: does it require TLS (ZEEBE_INSECURE",
            ),
            (Zeebe(silent, plaintext=True), "does a firewall block it"),
            (Zeebe(page, plaintext=True), "HTTP answers there, not gRPC"),
            (Zeebe(fake.address), "the gateway speaks plaintext there"),
            (Zeebe(tls.address), "set ZEEBE_CA_CERTIFICATE_PATH"),
            (Zeebe(tls.address, ca_certificate_path=CERTIFICATE), "set ZEEBE_OVERRIDE_AUTHORITY"),
            (Zeebe(tls.address, ca_certificate_path=CERTIFICATE, override_authority=NAME), ""),
            (Zeebe(fake.address, plaintext=True), ""),
        ):
            found = await advice(zeebe)
            assert words in found, f"{zeebe}: {found}"
            assert bool(found) is bool(words), f"{zeebe}: {found}"


async def test_where_a_proxy_is_on_the_way_it_is_named_and_no_password(
    monkeypatch: pytest.MonkeyPatch, fake: FakeGateway
) -> None:
    monkeypatch.setattr(client, "PROBE_TIMEOUT", 0.5)
    async with served(forbids) as forbidding, served(is_silent) as silent, served(ends) as ending:
        for variable, proxy in (
            ("http_proxy", NOWHERE),
            ("https_proxy", "no.such.invalid:3128"),
            ("grpc_proxy", forbidding),
            ("http_proxy", silent),
            ("http_proxy", ending),
        ):
            with monkeypatch.context() as environment:
                environment.setenv(variable, f"http://ann:secret@{proxy}")
                found = await advice(Zeebe(fake.address, plaintext=True))
            assert f"({THROUGH} http://ann:***@{proxy} of the variable {variable}:" in found, found
            assert "secret" not in found
            assert "ZEEBE_ADDRESS" not in found, found


async def test_the_hosts_of_no_proxy_are_reached_directly(monkeypatch: pytest.MonkeyPatch, fake: FakeGateway) -> None:
    monkeypatch.setenv("http_proxy", f"http://{NOWHERE}")
    for variable in ("no_grpc_proxy", "no_proxy", "NO_PROXY"):
        for entries in ("127.0.0.1", "localhost,127.0.0.0/8", "*"):
            with monkeypatch.context() as environment:
                environment.setenv(variable, entries)
                assert await advice(Zeebe(fake.address, plaintext=True)) == "", f"{variable}={entries}"
                found = await advice(Zeebe(NOWHERE, plaintext=True))
                assert "nothing listens at ZEEBE_ADDRESS" in found, f"{variable}={entries}: {found}"


async def test_a_server_of_tokens_is_asked_through_the_proxy_unless_no_proxy_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, fake: FakeGateway, authority: Authority
) -> None:
    zeebe = Zeebe(fake.address, plaintext=True, credentials=setting(authority))
    monkeypatch.setenv("HTTP_PROXY", f"http://ann:secret@{NOWHERE}")
    found = await advice(zeebe)
    assert f"the way to the authorization server leads through the proxy http://ann:***@{NOWHERE} of the v" in found
    for entries in ("127.0.0.1", "127.0.0.0/8"):
        monkeypatch.setenv("NO_PROXY", entries)
        assert await advice(zeebe) == "", entries
    nobody = Authority()
    nobody.url = f"http://{NOWHERE}/token"
    found = await advice(Zeebe(fake.address, plaintext=True, credentials=setting(nobody)))
    assert f"(is http://{NOWHERE}/token its address, and is it running?)" in found
