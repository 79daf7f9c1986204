"""TLS with the broker, the gateway and the server of tokens: every way in which it fails names its cause, everywhere.

RabbitMQ is a real one with a listener for each certificate. The engine in memory has no TLS, so the gateway is the fake
one, with TLS as gRPC serves it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import grpc
import pytest
from aiohttp import web

from consumer.check import check
from consumer.config import Amqp, OAuth, Settings, Zeebe
from consumer.rabbitmq import Broker
from consumer.zeebe import ZeebeEngine, client, credentials
from consumer.zeebe.examination import ask_gateway
from consumer.zeebe.hints import add_hint, advise
from scripts.process import free_port
from scripts.rabbitmq import RabbitMQ
from tests.cases import check_each
from tests.certificates import OTHER_NAME, Certificates
from tests.fakes.gateway import FakeGateway
from tests.integration.broker_control import evaluate
from tests.integration.cli import UNAVAILABLE
from tests.integration.service import TIMEOUT, eventually
from tests.unit.consumer.zeebe.samples import CREATE, send
from tests.unit.contracts.cli.program import ended
from zeebe_amqp import Client, Unavailable, tls
from zeebe_amqp.amqp import connection
from zeebe_amqp.errors import Code, CommandError, Outcome
from zeebe_amqp.tls import context

NOWHERE = "127.0.0.1:1"
EXPIRED = "has a certificate that has expired"
EARLY = "has a certificate that is not yet valid"
MISNAMED = f"for {OTHER_NAME}, not for 127.0.0.1"
UNTRUSTED = "has a certificate of an unknown authority"
NO_TLS, TLS = "does not speak TLS", "speaks TLS"
WANTED, UNKNOWN, OVER = "wants a client certificate", "its authority is unknown there", "which has expired"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Those of this file."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(autouse=True)
def _unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here waits for a limit: whatever is asked ends by what the server does."""
    for module, names in (
        (tls, ("LOOK_TIMEOUT", "ALERT_TIMEOUT")),
        (connection, ("CONNECT_TIMEOUT",)),
        (client, ("PROBE_TIMEOUT",)),
        (credentials, ("FETCH_TIMEOUT",)),
    ):
        for name in names:
            monkeypatch.setattr(module, name, TIMEOUT)


@dataclass(frozen=True)
class Files:
    """What a client of a server is told: PEM files by the names of `Certificates`."""

    ca: str = "authority.pem"
    cert: str = ""

    def paths(self, certificates: Certificates) -> tuple[Path, Path | None, Path | None]:
        """Authorities, certificate, key."""
        own = certificates.pair(self.cert) if self.cert else (None, None)
        return certificates.path(self.ca), *own


# --- the broker -------------------------------------------------------------------------------------------------------


WANTING = '{verify, verify_peer}, {fail_if_no_peer_cert, true}, {alpn_preferred_protocols, [<<"h2">>]}'
"""Of a listener that wants client certificates; one who speaks gRPC goes on only with a server that takes HTTP/2."""


@pytest.fixture(scope="module")
def listeners(shared_node: RabbitMQ, certificates: Certificates) -> Iterator[dict[str, int]]:
    """Ports of the shared node: one without TLS, one for each certificate, and one that wants those of clients."""
    ports = {"plain": shared_node.port}
    for name, more in (*((name, "") for name in ("good", "expired", "early", "misnamed")), ("wanting", WANTING)):
        ports[name] = free_port()
        cert, key = certificates.pair("good" if name == "wanting" else name)
        files = f'{{certfile, "{cert}"}}, {{keyfile, "{key}"}}, {{cacertfile, "{certificates.path("authority.pem")}"}}'
        options = f"[{files}{', ' if more else ''}{more}]"
        where = f'{{"127.0.0.1", {ports[name]}, inet}}'
        start = f"rabbit_networking:ensure_ssl(), rabbit_networking:start_ssl_listener({where}, {options}, 1)"
        assert evaluate(shared_node, start) == "ok"
    yield ports
    for name in ports.keys() - {"plain"}:
        reference = f"rabbit_networking:ranch_ref({{127,0,0,1}}, {ports[name]})"
        evaluate(shared_node, f"ranch:stop_listener({reference})")


BROKER = {
    "wrong host name": ("amqps", "misnamed", Files(), MISNAMED),
    "expired": ("amqps", "expired", Files(), EXPIRED),
    "not yet valid": ("amqps", "early", Files(), EARLY),
    "unknown authority": ("amqps", "good", Files("stranger.pem"), UNTRUSTED),
    "TLS to plaintext": ("amqps", "plain", Files(), NO_TLS),
    "plaintext to TLS": ("amqp", "good", None, f"{TLS} (use amqps://)"),
    "no client certificate": ("amqps", "wanting", Files(), WANTED),
    "a client certificate of an unknown authority": ("amqps", "wanting", Files(cert="foreign"), UNKNOWN),
    "a client certificate that has expired": ("amqps", "wanting", Files(cert="expired"), OVER),
}
"""The scheme, the listener, what the client is told, and the cause."""


def address(scheme: str, port: int, files: tuple[Path | None, ...] = ()) -> str:
    """That of the broker, with the files in it."""
    named = zip(("cafile", "certfile", "keyfile"), files, strict=False)
    query = "&".join(f"{name}={path}" for name, path in named if path)
    return f"{scheme}://guest:guest@127.0.0.1:{port}{f'/?{query}' if query else ''}"


async def test_the_service_says_what_is_wrong_with_tls_to_the_broker(
    listeners: dict[str, int], certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    """In the log, in what /readyz shows, and by `check`."""

    async def names(scheme: str, listener: str, files: Files | None, cause: str) -> None:
        ca, cert, key = files.paths(certificates) if files else (None, None, None)
        amqp = Amqp(urls=(address(scheme, listeners[listener]),), queues=("test.tls",), ca=ca, cert=cert, key=key)
        caplog.clear()
        broker = Broker(amqp, max_depth=10, accept=lambda _: None)
        await broker.start()
        try:
            await eventually(lambda: all(cause in each for each in broker.problems().values()), "each part says so")
        finally:
            await broker.close()
        assert any(cause in record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING)
        [found, *_] = await check(Settings(amqp=amqp, zeebe=Zeebe(NOWHERE, plaintext=True)))
        assert (found.part, found.ok, cause in found.found) == ("broker", False, True), found.found

    await check_each(BROKER, names)


async def test_the_client_and_the_command_line_say_what_is_wrong_with_tls_to_the_broker(
    listeners: dict[str, int], certificates: Certificates
) -> None:
    async def names(scheme: str, listener: str, files: Files | None, cause: str) -> None:
        url = address(scheme, listeners[listener], files.paths(certificates) if files else ())
        with pytest.raises(Unavailable) as raised:
            async with Client(url):
                pass
        assert cause in str(raised.value)
        told = await asyncio.to_thread(ended, "topology", "--url", url)
        assert (told.code, cause in told.err) == (UNAVAILABLE, True), told.err

    await check_each(BROKER, names)


async def test_a_context_of_the_caller_s_own_checks_every_connection(
    listeners: dict[str, int], certificates: Certificates
) -> None:
    """Also after the one that was looked at closer."""
    own = context(certificates.path("authority.pem"))
    for _ in range(2):
        with pytest.raises(Unavailable, match=MISNAMED):
            async with Client(address("amqps", listeners["misnamed"]), tls=own):
                pass


async def test_with_the_right_certificates_everyone_connects_to_the_broker(
    listeners: dict[str, int], certificates: Certificates
) -> None:
    ca, cert, key = Files(cert="good").paths(certificates)
    for listener in ("good", "wanting"):
        amqp = Amqp(urls=(address("amqps", listeners[listener]),), ca=ca, cert=cert, key=key)
        [found, *_] = await check(Settings(amqp=amqp, zeebe=Zeebe(NOWHERE, plaintext=True)))
        assert found.ok, found.found
        async with Client(address("amqps", listeners[listener], (ca, cert, key))):
            pass


# --- the gateway ------------------------------------------------------------------------------------------------------


REFUSES = "may not accept the client certificate"
"""A server of this library ends the connection without an alert."""
GATEWAY = {
    "wrong host name": ("misnamed", Files(), "for another name", MISNAMED),
    "expired": ("expired", Files(), EXPIRED, "renew it"),
    "not yet valid": ("early", Files(), EARLY, "is a clock wrong"),
    "unknown authority": ("good", Files("stranger.pem"), UNTRUSTED, "set ZEEBE_CA_CERTIFICATE_PATH"),
    "TLS to plaintext": (None, Files(), NO_TLS, "set ZEEBE_INSECURE_CONNECTION=true"),
    "plaintext to TLS": ("good", None, "it may want TLS", f"{TLS}: set ZEEBE_INSECURE_CONNECTION=false"),
    "no client certificate": (
        "wanting", Files(), "may want a client certificate", "set ZEEBE_CLIENT_CERT_PATH and ZEEBE_CLIENT_KEY_PATH"),
    "a client certificate of an unknown authority": (
        "wanting", Files(cert="foreign"), REFUSES, "see ZEEBE_CLIENT_CERT_PATH and ZEEBE_CLIENT_KEY_PATH"),
    "a client certificate that has expired": (
        "wanting", Files(cert="expired"), REFUSES, "see ZEEBE_CLIENT_CERT_PATH and ZEEBE_CLIENT_KEY_PATH"),
}  # fmt: skip
"""The server's certificate, what the service is told, what callers are told, and what operators are told besides."""


def serving(certificates: Certificates, name: str | None) -> FakeGateway:
    """A gateway with this certificate; `wanting` wants those of clients, too."""
    if name is None:
        return FakeGateway()
    wants = name == "wanting"
    cert, key = (path.read_bytes() for path in certificates.pair("good" if wants else name))
    authority = certificates.path("authority.pem").read_bytes() if wants else None
    return FakeGateway(credentials=grpc.ssl_server_credentials([(key, cert)], authority, require_client_auth=wants))


def of_gateway(gateway: FakeGateway, certificates: Certificates, files: Files | None, **more: Any) -> Zeebe:
    """The settings of a service at a gateway."""
    if files is None:
        return Zeebe(gateway.address, plaintext=True, **more)
    ca, cert, key = files.paths(certificates)
    return Zeebe(gateway.address, ca_certificate_path=ca, client_cert_path=cert, client_key_path=key, **more)


async def told(zeebe: Zeebe) -> tuple[CommandError, str, str]:
    """What a caller is told of a gateway that is not reached, /readyz and the log, and who runs `check`."""
    engine = ZeebeEngine(zeebe, sleep=AsyncMock())
    try:
        with pytest.raises(CommandError) as of_caller:
            await send(engine, CREATE)
        with pytest.raises(CommandError) as of_operator:
            await add_hint(engine.look, zeebe)
    finally:
        await engine.close()
    findings = await check(Settings(amqp=Amqp(urls=(f"amqp://{NOWHERE}",)), zeebe=zeebe))
    assert (findings[-1].part, findings[-1].ok) == ("gateway", False)
    return of_caller.value, of_operator.value.message, findings[-1].found


async def test_callers_and_operators_learn_what_is_wrong_with_tls_to_the_gateway(certificates: Certificates) -> None:
    async def names(name: str | None, files: Files | None, cause: str, more: str) -> None:
        async with serving(certificates, name) as gateway:
            of_caller, of_operator, found = await told(of_gateway(gateway, certificates, files))
            assert gateway.count("CreateProcessInstance") == 0
        assert (of_caller.code, of_caller.outcome) == (Code.UNAVAILABLE, Outcome.NOT_EXECUTED)
        assert (cause in of_caller.message, OTHER_NAME in of_caller.message) == (True, False), of_caller.message
        for text in (of_operator, found):
            assert (cause in text, more in text) == (True, True), text

    await check_each(GATEWAY, names)


async def test_a_connection_that_is_cut_without_a_word_is_looked_at_closer(certificates: Certificates) -> None:
    """Which words the library finds for it depends on the moment."""
    async with serving(certificates, "good") as gateway:
        for words in ("Socket closed", "recvmsg:Connection reset by peer", "Broken pipe", "Delayed close due to x"):
            zeebe = Zeebe(gateway.address, plaintext=True)
            told = await advise(f"failed to connect to all addresses; last error: UNAVAILABLE: {words}", zeebe)
            assert "the gateway speaks TLS" in told, words
        assert await advise("something else", Zeebe(gateway.address, plaintext=True)) == ""


async def test_what_a_server_has_against_a_client_certificate_is_heard(
    listeners: dict[str, int], certificates: Certificates
) -> None:
    """Unlike the library of the fake gateway, servers in Erlang, as in Java, say it in an alert."""

    async def hears(cert: str, cause: str) -> None:
        ca, own, key = Files(cert=cert).paths(certificates)
        place = f"127.0.0.1:{listeners['wanting']}"
        zeebe = Zeebe(place, ca_certificate_path=ca, client_cert_path=own, client_key_path=key)
        with pytest.raises(CommandError) as raised:
            await ask_gateway(zeebe)
        assert f"the gateway {cause}" in raised.value.message

    advice = "ZEEBE_CLIENT_CERT_PATH and ZEEBE_CLIENT_KEY_PATH"
    cases = {
        "": f"{WANTED}: set {advice}",
        "foreign": f"does not accept the client certificate: {UNKNOWN}: see {advice}",
        "expired": f"does not accept the client certificate, {OVER}: see {advice}",
    }
    await check_each(cases.items(), hears)


async def test_a_gateway_that_wants_client_certificates_knows_ours(certificates: Certificates) -> None:
    async with serving(certificates, "wanting") as gateway:
        engine = ZeebeEngine(of_gateway(gateway, certificates, Files(cert="good")))
        await send(engine, CREATE)
        await engine.close()
        assert gateway.count("CreateProcessInstance") == 1


# --- the server of tokens ---------------------------------------------------------------------------------------------


TOKENS = {
    "wrong host name": ("https", "misnamed", "authority.pem", "for another name", "its address?"),
    "expired": ("https", "expired", "authority.pem", EXPIRED, "clock wrong?"),
    "not yet valid": ("https", "early", "authority.pem", EARLY, "clock wrong?"),
    "unknown authority": ("https", "good", "stranger.pem", UNTRUSTED, "SSL_CERT_FILE"),
    "TLS to plaintext": ("https", None, "authority.pem", NO_TLS, "its address, with https://?"),
    "plaintext to TLS": ("http", "good", "authority.pem", TLS, "use https://"),
}
"""The scheme, the server's certificate, who is trusted, the cause, and what operators are told besides."""


@asynccontextmanager
async def issuing(certificates: Certificates, name: str | None) -> AsyncIterator[tuple[int, list[str]]]:
    """A server of tokens; its port, and the paths that it was asked for."""
    asked: list[str] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        asked.append(request.path)
        return web.json_response({"access_token": "token"})

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificates.server(name) if name else None).start()
    try:
        yield runner.addresses[0][1], asked
    finally:
        await runner.cleanup()


async def test_callers_and_operators_learn_what_is_wrong_with_tls_to_the_server_of_tokens(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def names(scheme: str, name: str | None, ca: str, cause: str, more: str) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates.path(ca)))
        caplog.clear()
        async with FakeGateway() as gateway, issuing(certificates, name) as (port, asked):
            oauth = OAuth("worker", "secret", f"{scheme}://127.0.0.1:{port}/token", "audience")
            of_caller, of_operator, found = await told(of_gateway(gateway, certificates, None, credentials=oauth))
            assert gateway.requests == []
            assert asked == [], "nobody gets the secret"
        logged = [record.getMessage() for record in caplog.records if record.name == credentials.__name__]
        for text in (of_caller.message, of_operator, found, logged[0]):
            assert "ZEEBE_AUTHORIZATION_SERVER_URL: the authorization server" in text
            assert (cause in text, "secret" in text) == (True, False), text
        assert (more in of_operator, more in found) == (True, True), of_operator

    await check_each(TOKENS, names)


async def test_a_token_comes_over_tls_that_is_right(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.path("authority.pem")))
    async with issuing(certificates, "good") as (port, asked):
        token = credentials.Token(OAuth("worker", "secret", f"https://127.0.0.1:{port}/token", "audience"))
        assert await token.authorization(30) == "Bearer token"
        await token.close()
        assert asked == ["/token"]
