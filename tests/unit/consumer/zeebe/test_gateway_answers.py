"""Every text of the gateway that the table of answers knows, and what callers are told about it."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from consumer.core.foreign_text import TEXT_LIMIT, operators_text
from consumer.zeebe.failures import RULES, Failure, FailureKind, classify, error, partition
from tests.cases import for_each
from zeebe_amqp.errors import Code, Outcome

REFUSED = "failed to connect to all addresses; last error: UNKNOWN: ipv4:10.0.0.7:26500: "
PROCESSING = "Unexpected error occurred during the request processing: "
BETWEEN = "Unexpected error occurred between gateway and broker (code: INTERNAL_ERROR) "
HTTP = "Received http2 header with status: "
TIMED_OUT = "Time out between gateway and broker: "
ENVOY = "upstream connect error or disconnect/reset before headers. reset reason: "
LARGER = "essage larger than max (5000005 vs. 4194304)"

BROKE = "Command 'CREATE' rejected with code 'PROCESSING_ERROR': it broke"

CASES: dict[FailureKind, list[tuple[str, str]]] = {
    FailureKind.FINAL: [
        # Rejections of the engine, whatever the status.
        ("NOT_FOUND", "Command 'COMPLETE' rejected with code 'NOT_FOUND': Expected to complete job with key '1', but"),
        ("FAILED_PRECONDITION", "Command 'FAIL' rejected with code 'INVALID_STATE': in state 'FAILED'"),
        ("ALREADY_EXISTS", "Command 'PUBLISH' rejected with code 'ALREADY_EXISTS': published"),
        ("UNKNOWN", "Command 'CREATE' rejected with code 'EXCEEDED_BATCH_RECORD_SIZE': "),
        ("INTERNAL", BROKE),
        # Checks of the gateway itself.
        ("INVALID_ARGUMENT", "Property 'variables' is invalid: Expected document to be a root level object"),
        ("INVALID_ARGUMENT", 'Invalid JSON value: {"text": "Stream removed"'),
        ("INVALID_ARGUMENT", "Expected to handle gRPC request CreateProcessInstance with tenant 'acme'"),
        ("NOT_FOUND", "Expected to find process definition with process ID 'x', but none found"),
        ("ALREADY_EXISTS", "already there"),
        ("PERMISSION_DENIED", "no"),
        ("FAILED_PRECONDITION", "Expected to create instance of process with none start event"),
        ("UNIMPLEMENTED", "Method not found: gateway_protocol.ZeebeEngine/EvaluateConditional"),
        ("UNKNOWN", "Application error processing RPC"),
        ("INTERNAL", f"{PROCESSING}Failed to convert JSON to MessagePack"),
        # Too large, on either side.
        ("RESOURCE_EXHAUSTED", "gRPC message exceeds maximum size 4194304: 5000005"),
        ("RESOURCE_EXHAUSTED", f"SERVER: Received m{LARGER}"),
        ("RESOURCE_EXHAUSTED", f"Received m{LARGER}"),
        ("RESOURCE_EXHAUSTED", f"CLIENT: Sent m{LARGER}"),
        # The words of a proxy's answer, but not the whole text: somebody quotes them.
        ("NOT_FOUND", f"Command 'FAIL' rejected with code 'NOT_FOUND': {HTTP}503"),
        ("INVALID_ARGUMENT", f"Property 'variables' is invalid: {HTTP}503"),
        ("INVALID_ARGUMENT", f"{HTTP}503 is no document"),
        ("INVALID_ARGUMENT", f"{HTTP}503\n"),
    ],
    FailureKind.OVERLOAD: [
        (
            "RESOURCE_EXHAUSTED",
            "Failed to write client request to partition '1', because the request limit is exhausted",
        ),
        ("RESOURCE_EXHAUSTED", "Expected to execute the command on one of the partitions, but all failed; there are"),
        ("RESOURCE_EXHAUSTED", "Expected to activate jobs of type 'x', but no jobs available and at least one broker"),
        ("RESOURCE_EXHAUSTED", "Cannot accept requests for partition 1. Broker is out of disk space"),
        ("RESOURCE_EXHAUSTED", "a text nobody has seen"),
        ("RESOURCE_EXHAUSTED", "jobs of type 'gRPC message exceeds maximum size'"),
    ],
    FailureKind.PAUSED: [("INTERNAL", f"{BETWEEN}(message: Processing paused for partition '1')")],
    FailureKind.NO_PARTITION: [
        ("UNAVAILABLE", "Expected to execute command on partition 7, but either it does not exist, or the gateway"),
        ("UNAVAILABLE", "Expected to execute command on partition -1, but either it"),
    ],
    # Something in between answered HTTP: C-core's own words, whatever code it makes of the status.
    FailureKind.PROXY_LIMIT: [("UNKNOWN", f"{HTTP}413")],
    FailureKind.NOT_PASSED_ON: [("UNAVAILABLE", f"{HTTP}503")],
    FailureKind.PROXY_LOST: [
        ("UNAVAILABLE", f"{HTTP}502"),
        ("UNKNOWN", "Stream removed (Data frame with END_STREAM flag received)"),
        ("UNKNOWN", "No status received"),
    ],
    # Nothing was sent.
    FailureKind.UNREACHABLE: [
        ("UNAVAILABLE", f"{REFUSED}Failed to connect to remote host: Connection refused"),
        ("UNAVAILABLE", f"{REFUSED}connection attempt timed out before receiving SETTINGS frame"),
        ("UNAVAILABLE", f"{REFUSED}recvmsg:Connection reset by peer (104)"),
        ("UNAVAILABLE", f"{REFUSED}Socket closed"),
        ("UNAVAILABLE", f"{REFUSED}Failed to create security handshaker."),
        ("UNAVAILABLE", f"{REFUSED}Tls handshake failed (TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL"),
        ("UNAVAILABLE", f"{REFUSED}Custom verification check failed with error"),
        ("UNAVAILABLE", "connections to all backends failing; last error: UNKNOWN: refused"),
        ("UNAVAILABLE", "errors resolving zeebe:26500: [field:hostname lookup error]"),
        ("UNAVAILABLE", "DNS resolution failed for zeebe:26500"),
        ("UNAVAILABLE", "empty address list: zeebe"),
        ("UNAVAILABLE", "no healthy upstream"),
        ("UNAVAILABLE", f"{ENVOY}remote connection failure"),
    ],
    # The connection was lost with the call out.
    FailureKind.UNCERTAIN: [
        ("UNAVAILABLE", f"{ENVOY}connection termination"),
        ("UNAVAILABLE", "Socket closed"),
        ("UNAVAILABLE", "Stream removed (Socket closed)"),
        ("UNAVAILABLE", "Stream removed (Socket closed (GOAWAY received; Error code: 11))"),
        ("UNAVAILABLE", "recvmsg:Connection reset by peer"),
        ("UNAVAILABLE", "Cancelling all calls"),
        ("UNAVAILABLE", "keepalive watchdog timeout"),
        ("UNAVAILABLE", ""),
        ("ABORTED", "Connection RemoteClientConnection{channel=[id: 0x1, L:/10.0.0.1:50000]} was closed"),
        ("ABORTED", "Channel [id: 0x1] for address b:26501 was closed unexpectedly before the request"),
        ("INTERNAL", f"{PROCESSING}Connection RemoteClientConnection{{channel=[id: 0x1]}} was closed"),
        ("INTERNAL", "Received RST_STREAM with error code 2"),
        ("UNKNOWN", "Stream removed"),
        ("CANCELLED", "Stream removed (RST_STREAM (Received RST_STREAM with error code 8))"),
        ("DEADLINE_EXCEEDED", f"{TIMED_OUT}Request command-api-1 to b:26501 timed out in PT5S"),
    ],
    FailureKind.NO_BROKER: [("DEADLINE_EXCEEDED", f"{TIMED_OUT}Request timed out after PT15S")],
    FailureKind.LATE: [("DEADLINE_EXCEEDED", "Deadline Exceeded")],
    FailureKind.CREDENTIALS: [("UNAUTHENTICATED", "Expected bearer token at header with key [authorization]")],
    FailureKind.DEFECT: [
        # An answer that could not be read.
        ("RESOURCE_EXHAUSTED", f"CLIENT: Received m{LARGER}"),
        ("RESOURCE_EXHAUSTED", "received metadata size exceeds hard limit (value length 20000 vs. 16384)"),
        ("RESOURCE_EXHAUSTED", "Stream removed (received metadata size exceeds hard limit)"),
        # What nobody expects.
        ("INTERNAL", f"{PROCESSING}null"),
        ("INTERNAL", ""),
        ("UNKNOWN", ""),
        ("UNKNOWN", "No status received, says the caller"),
        ("OUT_OF_RANGE", ""),
        ("DATA_LOSS", ""),
    ],
}
ANSWERS = [(status, text, kind) for kind, answers in CASES.items() for status, text in answers]


@for_each(ANSWERS)
def test_a_text_has_its_verdict(status: str, text: str, kind: FailureKind) -> None:
    assert classify(status, text) is kind


def test_every_row_decides_a_case_and_every_code_and_every_kind_but_ours_has_one() -> None:
    deciding = [next((row for row in RULES if row.matches(status, text)), None) for status, text, _ in ANSWERS]
    assert [row for row in RULES if not any(each is row for each in deciding)] == []
    assert {status for status, _, _ in ANSWERS} == set(Code)
    assert set(CASES) == set(FailureKind) - {FailureKind.CLOSING}


@for_each([
    ("x" * TEXT_LIMIT, None),
    ("x" * (TEXT_LIMIT + 1), "x" * TEXT_LIMIT),
    ("x" * (TEXT_LIMIT - 1) + "é", "x" * (TEXT_LIMIT - 1)),
    ("\ud800" * (TEXT_LIMIT + 1), "?" * TEXT_LIMIT),
])  # fmt: skip
def test_a_long_text_is_cut_at_whole_characters(text: str, kept: str | None) -> None:
    raised = error(Failure.of("INVALID_ARGUMENT", text))
    assert raised.message == (kept or text)
    assert raised.details == ({"truncated": True} if kept else None)


def test_a_full_batch_says_how_much_passes() -> None:
    text = "Command 'CREATE' rejected with code 'EXCEEDED_BATCH_RECORD_SIZE': "
    raised = error(Failure.of("UNKNOWN", text), size=2_100_000)
    suggestion = (raised.details or {})["suggestion"]
    assert "2100000 bytes" in suggestion
    assert "1.5 MB" in suggestion
    assert (raised.outcome, raised.retryable) == (Outcome.NOT_EXECUTED, False)


@for_each(["NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION", "INVALID_ARGUMENT"])
def test_an_unsure_earlier_attempt_makes_the_outcome_unknown_and_may_be_the_reason(code: str) -> None:
    raised = error(Failure.of(code, "Command 'X' rejected with code 'Y': z"), idempotent=True, attempts=2, unsure=True)
    assert (raised.outcome, raised.retryable) == (Outcome.UNKNOWN, False)
    if code == "INVALID_ARGUMENT":
        assert raised.details == {"intent": "X", "rejection": "Y", "attempts": 2}
    else:
        assert "earlier attempt" in (raised.details or {})["suggestion"]


COMPLETE = "Command 'COMPLETE' rejected with code 'NOT_FOUND': Expected to complete job with "
DEPLOY = "Command 'CREATE' rejected with code 'INVALID_ARGUMENT': Expected to deploy new resources, but encountered "
KEPT = [
    # Rejections, with what callers wrote in them.
    ("NOT_FOUND", f"{COMPLETE}key '2251799813685263', but no such job was found"),
    ("ALREADY_EXISTS", "Command 'PUBLISH' rejected with code 'ALREADY_EXISTS': Expected to publish a new message with "
     "id 'order.example.com:8080', but a message with that id was already published"),
    ("INVALID_ARGUMENT", f"{DEPLOY}the following errors:\n'invoice.bpmn': - Element: Task_1\n    - ERROR: failed to "
     "parse expression 'http://10.0.0.7:8080/a': org.camunda.feel.FeelException: at a.b.C(D.java:12)"),
    ("FAILED_PRECONDITION", "Command 'RESOLVE' rejected with code 'INVALID_STATE': Expected to resolve incident with "
     "key '4503599627370497', but job with key '2251799813685263' has no retries left"),
    ("INTERNAL", BROKE),
    # What the gateway checks itself.
    ("NOT_FOUND", "Expected to find process definition with process ID 'order.internal', but none found"),
    ("INVALID_ARGUMENT", "'10.0.0.7:26500' is not valid"),
    ("INVALID_ARGUMENT", 'Invalid JSON value: {"at": "12:30:45", "url": "http://shop.example:8080"} at [Source: '
     'REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: 5]'),
    ("INVALID_ARGUMENT", "Expected to handle gRPC request CreateProcessInstance with tenant identifier 'acme.local', "
     "but multi-tenancy is disabled"),
    ("INVALID_ARGUMENT", "Property 'variables' is invalid: Expected document to be a root level object, but was 'A'"),
    ("UNIMPLEMENTED", "Method not found: gateway_protocol.Gateway/EvaluateConditional"),
    ("UNKNOWN", "Application error processing RPC"),
    ("INTERNAL", f"{PROCESSING}Failed to convert JSON to MessagePack"),
    # What says how long to wait, and for what.
    ("RESOURCE_EXHAUSTED", "gRPC message exceeds maximum size 4194304: 5000005"),
    ("RESOURCE_EXHAUSTED", "Cannot accept requests for partition 1. Broker is out of disk space"),
    ("RESOURCE_EXHAUSTED", "Failed to write client request to partition '1', because the request limit is exhausted"),
    ("RESOURCE_EXHAUSTED", "Expected to activate jobs of type 'a.local', but no jobs available and at least one broker "
     "returned 'RESOURCE_EXHAUSTED'. Please try again later."),
    ("INTERNAL", f"{BETWEEN}(message: Processing paused for partition '1')"),
    ("UNAVAILABLE", "Expected to execute command on partition 7, but either it does not exist, or the gateway is not "
     "yet aware of it"),
]  # fmt: skip
"""Texts that callers are told as they are."""
MACHINES = (
    f"{REFUSED}Failed to connect to remote host: Connection refused",
    "failed to connect to all addresses; last error: UNKNOWN: ipv6:%5B2001:db8::7%5D:26500: timed out",
    "errors resolving zeebe-gateway.internal:26500: [field:hostname lookup error]",
    "Expected to handle gRPC request, but an unexpected error occurred: java.net.ConnectException: "
    "broker-0.internal/10.1.2.3:26501\n\tat io.camunda.zeebe.Transport.send(Transport.java:12)",
    "Failed to connect to member 0 at zeebe-0.zeebe.svc.cluster.local:26502",
    "io.atomix.cluster.messaging.MessagingException: Connection to /10.0.3.4:26502 refused",
    "Connection to [/0:0:0:0:0:0:0:1:26502] was closed",
    "Connection RemoteClientConnection{channel=[id: 0x12, L:/10.0.0.1:50000 - R:broker-0/10.0.0.2:26501]} was closed",
    f"{TIMED_OUT}Request command-api-1 to zeebe-0.zeebe/10.1.2.3:26501 timed out in PT5S",
    f"{PROCESSING}io.netty.channel.ConnectTimeoutException: connection timed out: broker-0.internal/10.1.2.3:26501",
    f"{PROCESSING}java.net.UnknownHostException: broker-0",
    f"{BETWEEN}(message: could not reach fe80::1%eth0)",
    f"{ENVOY}delayed connect error: 111, transport failure: https://10.1.2.3:26500/x broker-0.internal",
    "Expected a token of the issuer https://keycloak.internal:8443/realms/zeebe",
    f"{BROKE}: no answer of broker-0.internal:26501, says 'R:broker-0/10.0.0.2:26501'",
    "\tat io.camunda.zeebe.Broker.run(Broker.java:7)\n\tat java.base/java.lang.Thread.run(Thread.java:833)",
)
"""What engines, gateways, proxies and the gRPC library say of machines, in any answer."""
INNER = (
    "10.",
    "2001",
    "fe80",
    "broker-0",
    "internal",
    "svc",
    "0:0:0",
    "26500",
    "26501",
    "26502",
    "java",
    "io.",
    "50000",
)


@for_each(KEPT)
def test_what_the_engine_says_of_the_command_is_told(status: str, text: str) -> None:
    found = error(Failure.of(status, text))
    assert (found.message, found.text) == (text, text)


@for_each([(code, text) for code in Code for text in MACHINES])
def test_no_answer_names_a_machine_whatever_its_status(status: Code, text: str) -> None:
    found = error(Failure.of(status, text), attempts=2)
    assert [each for each in INNER if each in found.message + str(found.details)] == []
    assert found.message
    assert operators_text(found).startswith(text[:50])


WORDS = st.sampled_from(
    ["Connection", "to", "refused:", "'a b'", '"x"', "couldn't", "of", "isn't", "12:30:45", "8.5.1"]
)
IN_TEXTS = (
    "10.9.8.7:26500",
    "/10.9.8.7",
    "[fd00::7]:26500",
    "node-7.zeebe.svc:26501",
    "h.internal",
    "node-7/10.9.8.7:80",
)


@given(st.sampled_from(Code), st.lists(WORDS | st.sampled_from(IN_TEXTS), max_size=12))
def test_an_address_anywhere_in_a_text_is_not_told(status: Code, words: list[str]) -> None:
    told = error(Failure.of(status, " ".join(words))).message
    assert not any(each in told for each in ("10.9", "fd00", "node-7", "h.internal", "26500"))


def test_an_address_at_the_cut_is_not_half_there() -> None:
    for length, status in product(
        (*range(TEXT_LIMIT - 20, TEXT_LIMIT + 5), *range(4076, 4101)), ("NOT_FOUND", "UNKNOWN")
    ):
        message = error(Failure.of(status, " " * length + "10.0.0.7:26500 " * 500)).message
        assert "10.0" not in message, length
        assert len(message.encode()) <= TEXT_LIMIT


def test_the_partition_of_a_text_is_found() -> None:
    found = {"7, but either": 7, "-1, but either": -1, "x": None, "7" * 5000: None}
    assert {end: partition(f"Expected to execute command on partition {end}") for end in found} == found
    assert partition("") is None
