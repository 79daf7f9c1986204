"""The way to the gateway: TLS, proxies, addresses, the advice for each mistake, and what answers HTTP in between."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme

from consumer.config import Zeebe
from consumer.core.circuit_breaker import THRESHOLD
from consumer.core.foreign_text import operators_text
from consumer.zeebe import GatewayError, ZeebeEngine, client
from consumer.zeebe.channel import open_channel
from consumer.zeebe.hints import add_hint, hint
from tests.cases import for_each
from tests.fakes.gateway import FakeGateway
from tests.fakes.http2 import HttpAnswer, HttpServer, OldHttpServer, page
from tests.fakes.sockets import ends, is_a_page, is_silent, served
from tests.unit.consumer.errors import verdict
from tests.unit.consumer.zeebe.samples import ACTIVATE, CREATE, DENIED, Authority, Connect, refusal
from zeebe_amqp.errors import Code, CommandError, Outcome, Source
from zeebe_amqp.testing import after

HERE = Path(__file__).parent
CERTIFICATE = HERE / "gateway_certificate.pem"
"""Of gateway.test, signed by itself; made for these tests and good for nothing else."""
KEY = HERE / "gateway_key.pem"
NAME = "gateway.test"
NOWHERE = "127.0.0.1:1"
CLOSES = "the server closes the connection: does it require TLS (ZEEBE_INSECURE"


@pytest.fixture(autouse=True)
def short_probe_without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine's environment says."""
    monkeypatch.setattr(client, "PROBE_TIMEOUT", 0.5)
    for name in ("grpc_proxy", "https_proxy", "http_proxy", "no_grpc_proxy", "no_proxy", "NO_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)


def encrypted() -> FakeGateway:
    pair = (KEY.read_bytes(), CERTIFICATE.read_bytes())
    return FakeGateway(credentials=grpc.ssl_server_credentials([pair]))


async def advice(address: str, **settings: Any) -> str:
    """What an operator is told of a gateway; "" when it answers."""
    zeebe = Zeebe(address, **settings)
    engine = ZeebeEngine(zeebe)
    try:
        await add_hint(engine.probe, zeebe)
    except CommandError as error:
        return error.message
    finally:
        await engine.close()
    return ""


@for_each([
    (True, {"ca_certificate_path": CERTIFICATE}, "Hostname Verification Check failed", "set ZEEBE_OVERRIDE_AUTHOR"),
    (True, {"override_authority": NAME}, "CERTIFICATE_VERIFY_FAILED", "set ZEEBE_CA_CERTIFICATE_PATH"),
    (True, {"plaintext": True}, "it may want TLS", "the gateway speaks TLS: set ZEEBE_INSECURE_CONNECTION=false"),
    (False, {}, "WRONG_VERSION_NUMBER", "the gateway does not speak TLS (set ZEEBE_INSECURE_CONNECTION=true)"),
])  # fmt: skip
async def test_a_tls_mistake_sends_nothing_and_names_its_cause(
    tls: bool, settings: dict[str, Any], cause: str, words: str
) -> None:
    async with encrypted() if tls else FakeGateway() as fake:
        found = await advice(fake.address, **settings)
    assert fake.requests == []
    assert cause in found
    assert words in found


async def test_each_other_cause_has_its_advice(fake: FakeGateway) -> None:
    async with served(ends) as ending, served(is_silent) as silent, served(is_a_page) as answering:
        for address, words in (
            (NOWHERE, "nothing listens at ZEEBE_ADDRESS"),
            ("no.such.invalid:26500", "the host name in ZEEBE_ADDRESS is unknown"),
            (ending, CLOSES),
            (silent, "does a firewall block it"),
            (answering, "HTTP answers there, not gRPC"),
            # The balancer that lets several gateways take turns; the other one "failed to connect to all addresses".
            ("dns:///localhost:1", "connections to all backends failing"),
        ):
            found = await advice(address, plaintext=True)
            assert words in found, f"{address}: {found}"


async def test_a_gateway_with_the_right_settings_answers(fake: FakeGateway) -> None:
    assert await advice(fake.address, plaintext=True, override_authority="zeebe.example") == ""
    async with encrypted() as tls:
        assert await advice(tls.address, ca_certificate_path=CERTIFICATE, override_authority=NAME) == ""


async def test_a_proxy_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch, fake: FakeGateway) -> None:
    async with OldHttpServer(page(403)) as forbidding, served(is_silent) as silent, served(ends) as ending:
        for variable, proxy in (
            ("http_proxy", NOWHERE),
            ("https_proxy", "no.such.invalid:3128"),
            ("grpc_proxy", forbidding.address),
            ("http_proxy", silent),
            ("http_proxy", ending),
        ):
            with monkeypatch.context() as environment:
                environment.setenv(variable, f"http://ann:secret@{proxy}")
                found = await advice(fake.address, plaintext=True)
            way = "connections to the gateway go through the proxy"
            assert f"({way} http://ann:***@{proxy} of the variable {variable}:" in found, found
            assert "secret" not in found
            assert "ZEEBE_ADDRESS" not in found, found


async def test_the_hosts_of_no_proxy_are_reached_directly(monkeypatch: pytest.MonkeyPatch, fake: FakeGateway) -> None:
    monkeypatch.setenv("http_proxy", f"http://{NOWHERE}")
    for variable in ("no_grpc_proxy", "no_proxy", "NO_PROXY"):
        for entries in ("127.0.0.1", "localhost,127.0.0.0/8", "*"):
            with monkeypatch.context() as environment:
                environment.setenv(variable, entries)
                assert await advice(fake.address, plaintext=True) == "", f"{variable}={entries}"
                found = await advice(NOWHERE, plaintext=True)
                assert "nothing listens at ZEEBE_ADDRESS" in found, f"{variable}={entries}: {found}"


async def test_a_server_of_tokens_is_asked_by_proxy(monkeypatch: Any, fake: FakeGateway, authority: Authority) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://ann:secret@{NOWHERE}")
    found = await advice(fake.address, plaintext=True, credentials=authority.setting())
    assert f"connections to the authorization server go through the proxy http://ann:***@{NOWHERE} of the v" in found
    for entries in ("127.0.0.1", "127.0.0.0/8"):
        monkeypatch.setenv("NO_PROXY", entries)
        assert await advice(fake.address, plaintext=True, credentials=authority.setting()) == "", entries
    nobody = Authority(f"http://{NOWHERE}/token")
    found = await advice(fake.address, plaintext=True, credentials=nobody.setting())
    assert f"(is {nobody.url} its address, and is it running?)" in found


def test_a_file_without_certificate_or_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    with pytest.raises(ValueError, match=r"ZEEBE_CA_CERTIFICATE_PATH: cannot read .*No such file"):
        open_channel(Zeebe(ca_certificate_path=path))
    for content in (b"", b"no certificate", KEY.read_bytes()):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"ZEEBE_CA_CERTIFICATE_PATH: no certificate in .*ca\.pem; accepted: a"):
            open_channel(Zeebe(ca_certificate_path=path))


def test_a_client_certificate_that_cannot_be_used_is_refused_by_name(tmp_path: Path) -> None:
    """Also when it is renewed while the service runs: C-core would tell only its own log."""
    (other := tmp_path / "other.pem").write_bytes(trustme.CA().issue_cert("me").private_key_pem.bytes())
    (empty := tmp_path / "empty.pem").touch()
    for cert, key, words in (
        (tmp_path / "no.pem", KEY, r"ZEEBE_CLIENT_CERT_PATH: cannot read .*No such file"),
        (CERTIFICATE, tmp_path / "no.pem", r"ZEEBE_CLIENT_KEY_PATH: cannot read .*No such file"),
        (empty, KEY, r"ZEEBE_CLIENT_CERT_PATH: no certificate in .*empty\.pem"),
        (CERTIFICATE, empty, r"ZEEBE_CLIENT_KEY_PATH: no private key in .*empty\.pem"),
        (
            CERTIFICATE,
            other,
            r"ZEEBE_CLIENT_KEY_PATH: .*other\.pem is not the private key, without password, of ZEEBE_CL",
        ),
    ):
        with pytest.raises(ValueError, match=words):
            open_channel(Zeebe(client_cert_path=cert, client_key_path=key))


async def test_a_certificate_that_is_gone_opens_the_circuit_until_it_is_back(connect: Connect, tmp_path: Path) -> None:
    """It is looked for when a new connection is due; whoever renews the file may have removed it for a moment."""
    pem = tmp_path / "ca.pem"
    pem.write_bytes(CERTIFICATE.read_bytes())
    async with encrypted() as fake:
        gateway = connect(fake.address, plaintext=False, ca_certificate_path=pem, override_authority=NAME)
        pem.unlink()
        fake.script("Topology", after(30), after(30))
        with pytest.raises(GatewayError, match=r"\AUNAVAILABLE: ZEEBE_CA_CERTIFICATE_PATH: cannot read "):
            await gateway.look()
        assert gateway.circuit.is_open
        pem.write_bytes(CERTIFICATE.read_bytes())
        await gateway.look()
        assert not gateway.circuit.is_open


# --- what answers HTTP ---


NOT_PASSED_ON = (300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 407, 421, 426, 429, 503)
TOO_LARGE = (413, 431)
PERHAPS_PASSED_ON = (204, 402, 405, 408, 418, 500, 501, 502, 504, 505, 511, 599, 999)
GRPC = ("content-type", "application/grpc")
NO_PAGES = (
    HttpAnswer(0, (("content-type", "text/plain"),), b"upstream connect error"),
    HttpAnswer(0, (("content-type", "application/json"),), b'{"code": 14}'),
    HttpAnswer(0),
    HttpAnswer(0, (GRPC,)),
)
"""No content makes a difference."""
ENDINGS = (
    page(200),
    HttpAnswer(200),
    HttpAnswer(200, (("content-type", "text/html"),)),
    HttpAnswer(200, (GRPC,)),
    HttpAnswer(200, (GRPC,), bytes(5)),
    HttpAnswer(200, (GRPC,), bytes(5), (("x-some", "thing"),)),
)
"""Answers with 200 that have no gRPC status say nothing of what became of the call."""
RESET = "upstream connect error or disconnect/reset before headers. reset reason: "

NO = Outcome.NOT_EXECUTED
AWAY = (Code.UNAVAILABLE, NO, (True, True), (5, 5), "not passed on")
REFUSED = (Code.RESOURCE_EXHAUSTED, NO, (False, False), (1, 1), "too large")
LOST = (Code.UNAVAILABLE, Outcome.UNKNOWN, (False, True), (1, 5), "may have been executed")


@for_each([
    *((page(status), *AWAY) for status in NOT_PASSED_ON),
    *((replace(answer, status=503), *AWAY) for answer in NO_PAGES),
    *((page(status), *REFUSED) for status in TOO_LARGE),
    *((page(status), *LOST) for status in PERHAPS_PASSED_ON),
    *((answer, *LOST) for answer in ENDINGS),
])  # fmt: skip
async def test_an_answer_in_http_says_by_its_status_what_became_of_the_command(
    answer: HttpAnswer, code: Code, outcome: Outcome, retryable: Any, attempts: Any, words: str, connect: Connect
) -> None:
    """Attempts, and whether callers may try again: of a command that may run once, and of one that may run twice."""
    async with HttpServer(answer) as server:
        engine, asked = connect(server.address), 0
        for idempotent in (False, True):
            error = await refusal(engine, CREATE, idempotent=idempotent)
            assert verdict(error) == (code, Source.CONSUMER, outcome, retryable[idempotent])
            for told in (words, "not the gateway's", f"HTTP status {answer.status}" if answer.status != 200 else ""):
                assert told in error.message
            assert "proxy" in hint(error.message, Zeebe()), "an operator is told where to look"
            made = attempts[idempotent]
            assert error.details == ({"attempts": made} if made > 1 else None)
            asked += made
            # What is too large for a proxy says nothing about the gateway behind it.
            unreached = 0 if words == "too large" else asked
            assert (len(server.requests), engine.circuit.unreached) == (asked, unreached)
            assert engine.circuit.is_open is (unreached >= THRESHOLD)


@for_each([*map(page, (200, 404, 502, 503)), HttpAnswer(503)])
async def test_a_stream_answered_in_http_has_not_heard_the_gateway(answer: HttpAnswer, connect: Connect) -> None:
    """C-core does not always tell a stream which status a page had; then nobody knows the outcome."""
    async with HttpServer(answer) as server:
        engine = connect(server.address)
        error = await refusal(engine, ACTIVATE)
    assert (error.code, error.source) == (Code.UNAVAILABLE, Source.CONSUMER)
    assert error.outcome is Outcome.UNKNOWN or f"HTTP status {answer.status}" in error.message
    assert answer.body or (error.outcome, error.retryable) == (NO, True), "without a page the status is always known"
    assert "not the gateway's" in error.message
    assert engine.circuit.unreached > 0


def said(status: int, number: str, text: str) -> HttpAnswer:
    return HttpAnswer(status, (GRPC, ("grpc-status", number), ("grpc-message", text)))


@for_each([
    *((said(status, "5", DENIED), Code.NOT_FOUND, NO, 0) for status in (200, 400, 404, 500, 503)),
    (said(200, "14", "no healthy upstream"), Code.UNAVAILABLE, NO, 5),
    (said(200, "14", f"{RESET}remote connection failure"), Code.UNAVAILABLE, NO, 5),
    (said(200, "14", f"{RESET}connection termination"), Code.UNAVAILABLE, Outcome.UNKNOWN, 0),
    (HttpAnswer(0, reset=2), Code.INTERNAL, Outcome.UNKNOWN, 0),
    (HttpAnswer(0, reset=7), Code.UNAVAILABLE, Outcome.UNKNOWN, 0),
    (HttpAnswer(0, reset=8), Code.CANCELLED, Outcome.UNKNOWN, 0),
])  # fmt: skip
async def test_what_is_said_in_grpc_keeps_its_meaning_whatever_the_http_status(
    answer: HttpAnswer, code: Code, outcome: Outcome, unreached: int, connect: Connect
) -> None:
    async with HttpServer(answer) as server:
        engine = connect(server.address)
        error = await refusal(engine, CREATE)
    assert verdict(error)[:3] == (code, Source.GATEWAY, outcome)
    assert answer.reset is not None or operators_text(error) == dict(answer.headers)["grpc-message"]
    assert engine.circuit.unreached == unreached


async def test_a_server_of_http_1_is_not_reached(connect: Connect) -> None:
    async with OldHttpServer(page(503)) as server:
        engine = connect(server.address)
        error = await refusal(engine, CREATE)
    assert verdict(error) == (Code.UNAVAILABLE, Source.GATEWAY, Outcome.NOT_EXECUTED, True)
    assert "HTTP status 503" in operators_text(error)
    assert engine.circuit.is_open


async def test_a_token_that_a_proxy_refuses_is_replaced_once(connect: Connect, authority: Authority) -> None:
    """Who looks at tokens before the gateway answers HTTP; without a new one the service would never recover."""
    async with HttpServer(page(401)) as server:
        engine = connect(server.address, credentials=authority.setting())
        for _ in range(3):
            error = await refusal(engine, CREATE)
            assert verdict(error) == (Code.UNAVAILABLE, Source.CONSUMER, Outcome.NOT_EXECUTED, True)
    assert len(authority.forms) == 2
