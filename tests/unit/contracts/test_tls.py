"""What an error says of TLS, and what a server shows that is asked once more."""

from __future__ import annotations

import asyncio
import ssl
from functools import partial

import pytest

from tests.cases import check_all, for_each
from tests.certificates import OTHER_NAME, Certificates
from tests.fakes.sockets import ends, is_a_page, is_silent, served
from zeebe_amqp import tls
from zeebe_amqp.tls import TlsProblem, context, look, other_names, problem_of, speaks_tls, words

NOBODY = ("127.0.0.1", 1)


@for_each([
    ("[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required", TlsProblem.NO_CERTIFICATE),
    ("[SSL: SSLV3_ALERT_CERTIFICATE_EXPIRED] sslv3 alert certificate expired", TlsProblem.EXPIRED_CERTIFICATE),
    ("[SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca", TlsProblem.UNKNOWN_CERTIFICATE),
    ("[SSL: SSLV3_ALERT_BAD_CERTIFICATE]", TlsProblem.REFUSED_CERTIFICATE),
    ("[SSL: SSLV3_ALERT_CERTIFICATE_REVOKED]", TlsProblem.REFUSED_CERTIFICATE),
    ("[SSL: SSLV3_ALERT_CERTIFICATE_UNKNOWN]", TlsProblem.REFUSED_CERTIFICATE),
    ("[SSL: SSLV3_ALERT_UNSUPPORTED_CERTIFICATE]", TlsProblem.REFUSED_CERTIFICATE),
    ("[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE]", TlsProblem.REFUSED_HANDSHAKE),
    ("[SSL: TLSV1_ALERT_PROTOCOL_VERSION]", TlsProblem.REFUSED_HANDSHAKE),
    ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate", TlsProblem.UNTRUSTED),
    ("[SSL: RECORD_LAYER_FAILURE]", TlsProblem.PLAINTEXT),
    ("[SSL: PACKET_LENGTH_TOO_LONG]", TlsProblem.PLAINTEXT),
    ("Connection refused", None),
    ("", None),
])  # fmt: skip
def test_an_error_or_what_caused_it_says_what_is_wrong_with_tls(text: str, problem: TlsProblem | None) -> None:
    wrapped = ConnectionError("the connection was lost")
    wrapped.__cause__ = OSError(text)
    check_all([text, OSError(text), wrapped], lambda said: _is(problem_of(said), problem))


def _is(found: object, expected: object) -> None:
    assert found is expected


def test_a_certificate_for_another_name_is_told_with_its_names_if_they_are_known() -> None:
    assert words(TlsProblem.OTHER_NAME, "host", ("a", "b")) == "has a certificate for a, b, not for host"
    assert words(TlsProblem.OTHER_NAME, "host") == "has a certificate for another name, not for host"
    assert words(TlsProblem.PLAINTEXT, "host") == "does not speak TLS"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


async def test_names_are_shown_only_of_a_server_that_is_trusted(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "ALERT_TIMEOUT", 0.01)
    trusting = partial(context, certificates.path("authority.pem"))
    shown = certificates.server("misnamed")
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=shown) as server:
        place = server.sockets[0].getsockname()
        assert await other_names(*place, trusting) == (OTHER_NAME,)
        assert await other_names(*place, partial(context, certificates.path("stranger.pem"))) == ()
        assert await other_names(*place, partial(context, certificates.path("no.pem"))) == ()
        assert await other_names(*place, lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)) == ()
        used = trusting()
        assert await other_names(*place, lambda: used) == (OTHER_NAME,)
        assert (used.check_hostname, used.verify_mode) == (True, ssl.CERT_REQUIRED), "whoever uses it checks as before"
        assert await look(*place, trusting) is TlsProblem.OTHER_NAME
        assert await look(*place, trusting, OTHER_NAME) is None
        assert await speaks_tls(*place)


async def test_a_server_that_speaks_something_else_or_nothing_does_not_speak_tls(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "LOOK_TIMEOUT", 0.2)
    trusting = partial(context, certificates.path("authority.pem"))
    async with served(ends) as ending, served(is_silent) as silent, served(is_a_page) as page:
        for address, problem in ((ending, None), (silent, None), (page, TlsProblem.PLAINTEXT)):
            host, port = address.rsplit(":", 1)
            assert not await speaks_tls(host, int(port)), address
            assert await look(host, int(port), trusting) is problem, address
    assert not await speaks_tls(*NOBODY)
    assert await other_names(*NOBODY, trusting) == ()


async def test_a_server_that_wants_what_we_have_not_speaks_tls_all_the_same() -> None:
    """It has no certificate, so it agrees with nobody."""
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    async def refuses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ours, theirs = ssl.MemoryBIO(), ssl.MemoryBIO()
        hello = bare.wrap_bio(ours, theirs, server_side=True)
        ours.write(await reader.read(4096))
        with pytest.raises(ssl.SSLError):
            hello.do_handshake()
        writer.write(theirs.read())
        writer.close()

    async with await asyncio.start_server(refuses, "127.0.0.1", 0) as server:
        assert await speaks_tls(*server.sockets[0].getsockname())
