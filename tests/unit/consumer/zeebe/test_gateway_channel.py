"""The channel's TLS, authority and options, each mistake with the text that names it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest

from consumer.config import Zeebe
from consumer.zeebe import FailureKind, GatewayError, ZeebeEngine, client
from consumer.zeebe.channel import open_channel
from consumer.zeebe.protocol import gateway_pb2 as pb
from consumer.zeebe.rpcs import METHODS, SERVICE, bind
from tests.cases import for_each
from tests.fakes.gateway import FakeGateway
from tests.unit.consumer.zeebe.calling import send
from zeebe_amqp.testing import after, answer

HERE = Path(__file__).parent
CERTIFICATE = HERE / "gateway_certificate.pem"
"""Of gateway.test, signed by itself; made for these tests and good for nothing else."""
KEY = HERE / "gateway_key.pem"
NAME = "gateway.test"


def encrypted() -> FakeGateway:
    pair = (KEY.read_bytes(), CERTIFICATE.read_bytes())
    return FakeGateway(credentials=grpc.ssl_server_credentials([pair]))


async def asked(zeebe: Zeebe, sleeps: Any) -> Any:
    gateway = ZeebeEngine(zeebe, sleep=sleeps)
    try:
        return await send(gateway, pb.TopologyRequest())
    finally:
        await gateway.close()


async def test_a_gateway_with_the_given_certificate_and_name_is_trusted(sleeps: Any) -> None:
    async with encrypted() as fake:
        zeebe = Zeebe(fake.address, ca_certificate_path=CERTIFICATE, override_authority=NAME)
        assert (await asked(zeebe, sleeps)).gatewayVersion == "8.6.0"


@for_each(
    [
        (True, {"ca_certificate_path": CERTIFICATE}, "Hostname Verification Check failed"),
        (True, {"override_authority": NAME}, "CERTIFICATE_VERIFY_FAILED"),
        (True, {"plaintext": True}, ""),
        (False, {}, "WRONG_VERSION_NUMBER"),
    ]
)
async def test_a_tls_mistake_sends_nothing_and_names_its_cause(
    tls: bool, settings: dict[str, Any], cause: str, sleeps: Any
) -> None:
    async with encrypted() if tls else FakeGateway() as fake:
        with pytest.raises(GatewayError) as raised:
            await asked(Zeebe(fake.address, **settings), sleeps)
    assert raised.value.kind is FailureKind.UNREACHABLE
    assert cause in raised.value.message


async def test_an_authority_can_be_given_to_a_plaintext_gateway(fake: FakeGateway, sleeps: Any) -> None:
    await asked(Zeebe(fake.address, plaintext=True, override_authority="zeebe.example"), sleeps)
    assert fake.count("Topology") == 1


def test_a_file_without_certificate_or_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    with pytest.raises(ValueError, match=r"ZEEBE_CA_CERTIFICATE_PATH: cannot read .*No such file"):
        open_channel(Zeebe(ca_certificate_path=path))
    for content in (b"", b"no certificate", KEY.read_bytes()):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"ZEEBE_CA_CERTIFICATE_PATH: no certificate in .*ca\.pem; accepted: a"):
            open_channel(Zeebe(ca_certificate_path=path))


async def test_several_gateways_behind_one_name_take_turns(sleeps: Any) -> None:
    gateway = ZeebeEngine(Zeebe("dns:///localhost:1", plaintext=True), sleep=sleeps)
    with pytest.raises(GatewayError) as raised:
        await gateway.probe()
    await gateway.close()
    # The words of the balancer that takes turns; the other one says "failed to connect to all addresses".
    assert "connections to all backends failing" in raised.value.message


async def test_every_rpc_of_the_protocol_is_found_by_its_request_and_bound_and_none_else() -> None:
    every = {method.name for method in SERVICE.methods}
    assert {rpc.name for rpc in METHODS.values()} == every
    assert {rpc.name for rpc in METHODS.values() if rpc.streaming} == {"ActivateJobs", "StreamActivatedJobs"}
    channel = open_channel(Zeebe(plaintext=True))
    assert set(bind(channel)) == every
    await channel.close(None)


async def test_a_certificate_that_is_gone_when_a_new_connection_is_due_opens_the_circuit_until_it_is_back(
    sleeps: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever renews the file may have removed it for a moment."""
    monkeypatch.setattr(client, "PROBE_TIMEOUT", 0.5)
    pem = tmp_path / "ca.pem"
    pem.write_bytes(CERTIFICATE.read_bytes())
    async with encrypted() as fake:
        gateway = ZeebeEngine(Zeebe(fake.address, ca_certificate_path=pem, override_authority=NAME), sleep=sleeps)
        fake.always("Topology", after(30))
        pem.unlink()

        with pytest.raises(GatewayError, match=r"\AUNAVAILABLE: ZEEBE_CA_CERTIFICATE_PATH: cannot read "):
            await gateway.look()
        assert gateway.circuit.is_open

        pem.write_bytes(CERTIFICATE.read_bytes())
        fake.always("Topology", answer())
        fake.script("Topology", after(30))
        await gateway.look()
        assert not gateway.circuit.is_open
        await gateway.close()
