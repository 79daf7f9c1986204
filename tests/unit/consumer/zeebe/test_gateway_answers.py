"""Every text of the gateway that the table of answers knows, and what callers are told about it."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from consumer.zeebe.failures import RULES, TEXT_LIMIT, Failure, FailureKind, classify, error, partition
from tests.cases import for_each
from tests.unit.consumer.errors import verdict
from zeebe_amqp.errors import Code, Outcome, Source

REFUSED = "failed to connect to all addresses; last error: UNKNOWN: ipv4:10.0.0.7:26500: "
PROCESSING = "Unexpected error occurred during the request processing: "
HTTP = "Received http2 header with status: "
TIMED_OUT = "Time out between gateway and broker: "


@dataclass(frozen=True)
class Case:
    status: str
    text: str
    kind: FailureKind


CASES = [
    # Rejections of the engine, whatever the status.
    Case(
        "NOT_FOUND",
        "Command 'COMPLETE' rejected with code 'NOT_FOUND': Expected to complete job with key '1', but no such job",
        FailureKind.FINAL,
    ),
    Case(
        "FAILED_PRECONDITION", "Command 'FAIL' rejected with code 'INVALID_STATE': in state 'FAILED'", FailureKind.FINAL
    ),
    Case("ALREADY_EXISTS", "Command 'PUBLISH' rejected with code 'ALREADY_EXISTS': published", FailureKind.FINAL),
    Case("UNKNOWN", "Command 'CREATE' rejected with code 'EXCEEDED_BATCH_RECORD_SIZE': ", FailureKind.FINAL),
    Case("INTERNAL", "Command 'CREATE' rejected with code 'PROCESSING_ERROR': it broke", FailureKind.FINAL),
    # Checks of the gateway itself.
    Case(
        "INVALID_ARGUMENT",
        "Property 'variables' is invalid: Expected document to be a root level object",
        FailureKind.FINAL,
    ),
    Case("INVALID_ARGUMENT", 'Invalid JSON value: {"text": "Stream removed"', FailureKind.FINAL),
    Case(
        "INVALID_ARGUMENT",
        "Expected to handle gRPC request CreateProcessInstance with tenant 'acme'",
        FailureKind.FINAL,
    ),
    Case("NOT_FOUND", "Expected to find process definition with process ID 'x', but none found", FailureKind.FINAL),
    Case("ALREADY_EXISTS", "already there", FailureKind.FINAL),
    Case("PERMISSION_DENIED", "no", FailureKind.FINAL),
    Case("FAILED_PRECONDITION", "Expected to create instance of process with none start event", FailureKind.FINAL),
    Case("UNIMPLEMENTED", "Method not found: gateway_protocol.ZeebeEngine/EvaluateConditional", FailureKind.FINAL),
    Case("UNKNOWN", "Application error processing RPC", FailureKind.FINAL),
    Case("INTERNAL", PROCESSING + "Failed to convert JSON to MessagePack", FailureKind.FINAL),
    # Too large, on either side.
    Case("RESOURCE_EXHAUSTED", "gRPC message exceeds maximum size 4194304: 5000005", FailureKind.FINAL),
    Case("RESOURCE_EXHAUSTED", "SERVER: Received message larger than max (5000005 vs. 4194304)", FailureKind.FINAL),
    Case("RESOURCE_EXHAUSTED", "Received message larger than max (5000005 vs. 4194304)", FailureKind.FINAL),
    Case("RESOURCE_EXHAUSTED", "CLIENT: Sent message larger than max (5000005 vs. 4194304)", FailureKind.FINAL),
    # An answer that could not be read.
    Case("RESOURCE_EXHAUSTED", "CLIENT: Received message larger than max (5000005 vs. 4194304)", FailureKind.DEFECT),
    Case(
        "RESOURCE_EXHAUSTED",
        "received metadata size exceeds hard limit (value length 20000 vs. 16384)",
        FailureKind.DEFECT,
    ),
    Case("RESOURCE_EXHAUSTED", "Stream removed (received metadata size exceeds hard limit)", FailureKind.DEFECT),
    # Overload and its relatives.
    Case(
        "RESOURCE_EXHAUSTED",
        "Failed to write client request to partition '1', because the request limit is exhausted.",
        FailureKind.OVERLOAD,
    ),
    Case(
        "RESOURCE_EXHAUSTED",
        "Expected to execute the command on one of the partitions, but all failed; there are no more partitions "
        "available to retry. Please try again. If the error persists contact your zeebe operator",
        FailureKind.OVERLOAD,
    ),
    Case(
        "RESOURCE_EXHAUSTED",
        "Expected to activate jobs of type 'x', but no jobs available and at least one broker returned "
        "'RESOURCE_EXHAUSTED'. Please try again later.",
        FailureKind.OVERLOAD,
    ),
    Case(
        "RESOURCE_EXHAUSTED",
        "Cannot accept requests for partition 1. Broker is out of disk space",
        FailureKind.OVERLOAD,
    ),
    Case("RESOURCE_EXHAUSTED", "a text nobody has seen", FailureKind.OVERLOAD),
    Case("RESOURCE_EXHAUSTED", "jobs of type 'gRPC message exceeds maximum size'", FailureKind.OVERLOAD),
    Case(
        "INTERNAL",
        "Unexpected error occurred between gateway and broker (code: INTERNAL_ERROR) "
        "(message: Processing paused for partition '1')",
        FailureKind.PAUSED,
    ),
    # No such partition, or no leader.
    Case(
        "UNAVAILABLE",
        "Expected to execute command on partition 7, but either it does not exist, or the gateway is not",
        FailureKind.NO_PARTITION,
    ),
    Case("UNAVAILABLE", "Expected to execute command on partition -1, but either it", FailureKind.NO_PARTITION),
    # Something in between answered HTTP: C-core's own words, whatever code it makes of the status.
    Case("UNKNOWN", HTTP + "413", FailureKind.PROXY_LIMIT),
    Case("UNAVAILABLE", HTTP + "503", FailureKind.NOT_PASSED_ON),
    Case("UNAVAILABLE", HTTP + "502", FailureKind.PROXY_LOST),
    Case("UNKNOWN", "Stream removed (Data frame with END_STREAM flag received)", FailureKind.PROXY_LOST),
    Case("UNKNOWN", "No status received", FailureKind.PROXY_LOST),
    # The same words, but not the whole text: somebody quotes them.
    Case("NOT_FOUND", f"Command 'FAIL' rejected with code 'NOT_FOUND': {HTTP}503", FailureKind.FINAL),
    Case("INVALID_ARGUMENT", f"Property 'variables' is invalid: {HTTP}503", FailureKind.FINAL),
    Case("INVALID_ARGUMENT", f"{HTTP}503 is no document", FailureKind.FINAL),
    Case("INVALID_ARGUMENT", f"{HTTP}503\n", FailureKind.FINAL),
    Case("UNKNOWN", "No status received, says the caller", FailureKind.DEFECT),
    # Nothing was sent.
    Case("UNAVAILABLE", REFUSED + "Failed to connect to remote host: Connection refused", FailureKind.UNREACHABLE),
    Case(
        "UNAVAILABLE", REFUSED + "connection attempt timed out before receiving SETTINGS frame", FailureKind.UNREACHABLE
    ),
    Case("UNAVAILABLE", REFUSED + "recvmsg:Connection reset by peer (104)", FailureKind.UNREACHABLE),
    Case("UNAVAILABLE", REFUSED + "Socket closed", FailureKind.UNREACHABLE),
    Case("UNAVAILABLE", REFUSED + "Failed to create security handshaker.", FailureKind.UNREACHABLE),
    Case(
        "UNAVAILABLE", REFUSED + "Tls handshake failed (TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL", FailureKind.UNREACHABLE
    ),
    Case("UNAVAILABLE", REFUSED + "Custom verification check failed with error", FailureKind.UNREACHABLE),
    Case("UNAVAILABLE", "connections to all backends failing; last error: UNKNOWN: refused", FailureKind.UNREACHABLE),
    Case("UNAVAILABLE", "errors resolving zeebe:26500: [field:hostname lookup error]", FailureKind.UNREACHABLE),
    Case("UNAVAILABLE", "DNS resolution failed for zeebe:26500", FailureKind.UNREACHABLE),
    Case("UNAVAILABLE", "empty address list: zeebe", FailureKind.UNREACHABLE),
    Case("UNAVAILABLE", "no healthy upstream", FailureKind.UNREACHABLE),
    Case(
        "UNAVAILABLE",
        "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure",
        FailureKind.UNREACHABLE,
    ),
    # The connection was lost with the call out.
    Case(
        "UNAVAILABLE",
        "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
        FailureKind.UNCERTAIN,
    ),
    Case("UNAVAILABLE", "Socket closed", FailureKind.UNCERTAIN),
    Case("UNAVAILABLE", "Stream removed (Socket closed)", FailureKind.UNCERTAIN),
    Case("UNAVAILABLE", "Stream removed (Socket closed (GOAWAY received; Error code: 11))", FailureKind.UNCERTAIN),
    Case("UNAVAILABLE", "recvmsg:Connection reset by peer", FailureKind.UNCERTAIN),
    Case("UNAVAILABLE", "Cancelling all calls", FailureKind.UNCERTAIN),
    Case("UNAVAILABLE", "keepalive watchdog timeout", FailureKind.UNCERTAIN),
    Case("UNAVAILABLE", "", FailureKind.UNCERTAIN),
    Case(
        "ABORTED",
        "Connection RemoteClientConnection{channel=[id: 0x1, L:/10.0.0.1:50000]} was closed",
        FailureKind.UNCERTAIN,
    ),
    Case(
        "ABORTED",
        "Channel [id: 0x1] for address b:26501 was closed unexpectedly before the request",
        FailureKind.UNCERTAIN,
    ),
    Case(
        "INTERNAL",
        PROCESSING + "Connection RemoteClientConnection{channel=[id: 0x1]} was closed",
        FailureKind.UNCERTAIN,
    ),
    Case("INTERNAL", "Received RST_STREAM with error code 2", FailureKind.UNCERTAIN),
    Case("UNKNOWN", "Stream removed", FailureKind.UNCERTAIN),
    Case("CANCELLED", "Stream removed (RST_STREAM (Received RST_STREAM with error code 8))", FailureKind.UNCERTAIN),
    Case("DEADLINE_EXCEEDED", TIMED_OUT + "Request command-api-1 to b:26501 timed out in PT5S", FailureKind.UNCERTAIN),
    # Deadlines.
    Case("DEADLINE_EXCEEDED", TIMED_OUT + "Request timed out after PT15S", FailureKind.NO_BROKER),
    Case("DEADLINE_EXCEEDED", "Deadline Exceeded", FailureKind.LATE),
    # Who are you?
    Case("UNAUTHENTICATED", "Expected bearer token at header with key [authorization]", FailureKind.CREDENTIALS),
    # What nobody expects.
    Case("INTERNAL", PROCESSING + "null", FailureKind.DEFECT),
    Case("INTERNAL", "", FailureKind.DEFECT),
    Case("UNKNOWN", "", FailureKind.DEFECT),
    Case("OUT_OF_RANGE", "", FailureKind.DEFECT),
    Case("DATA_LOSS", "", FailureKind.DEFECT),
]


@for_each(CASES)
def test_a_text_has_its_verdict(case: Case) -> None:
    assert classify(case.status, case.text) is case.kind


@for_each(RULES)
def test_every_row_decides_a_case(row: object) -> None:
    deciding = [next((row for row in RULES if row.matches(case.status, case.text)), None) for case in CASES]
    assert any(decider is row for decider in deciding)


def test_every_code_of_the_contract_and_every_verdict_but_ours_has_a_case() -> None:
    assert {case.status for case in CASES} == set(Code)
    assert {case.kind for case in CASES} == set(FailureKind) - {FailureKind.CLOSING}


@given(st.sampled_from(Code), st.text())
def test_any_text_has_a_verdict(code: Code, text: str) -> None:
    assert error(Failure.of(code, text)).code is code


@for_each(
    [
        (FailureKind.FINAL, Outcome.NOT_EXECUTED, False, False),
        (FailureKind.OVERLOAD, Outcome.NOT_EXECUTED, True, True),
        (FailureKind.PAUSED, Outcome.NOT_EXECUTED, True, True),
        (FailureKind.UNREACHABLE, Outcome.NOT_EXECUTED, True, True),
        (FailureKind.NOT_PASSED_ON, Outcome.NOT_EXECUTED, True, True),
        (FailureKind.PROXY_LIMIT, Outcome.NOT_EXECUTED, False, False),
        (FailureKind.PROXY_LOST, Outcome.UNKNOWN, False, True),
        (FailureKind.NO_PARTITION, Outcome.NOT_EXECUTED, True, True),
        (FailureKind.NO_BROKER, Outcome.NOT_EXECUTED, True, True),
        (FailureKind.CREDENTIALS, Outcome.NOT_EXECUTED, False, False),
        (FailureKind.CLOSING, Outcome.NOT_EXECUTED, True, True),
        (FailureKind.LATE, Outcome.UNKNOWN, False, True),
        (FailureKind.UNCERTAIN, Outcome.UNKNOWN, False, True),
        (FailureKind.DEFECT, Outcome.UNKNOWN, False, True),
    ]
)
def test_a_verdict_says_what_callers_may_do(kind: FailureKind, outcome: Outcome, once: bool, again: bool) -> None:
    assert (kind.outcome, kind.retryable(False), kind.retryable(True)) == (outcome, once, again)


def test_a_rejection_is_taken_apart() -> None:
    raised = error(Failure.of("NOT_FOUND", "Command 'COMPLETE' rejected with code 'NOT_FOUND': no such job"))
    assert raised.details == {"intent": "COMPLETE", "rejection": "NOT_FOUND"}
    assert raised.message == "Command 'COMPLETE' rejected with code 'NOT_FOUND': no such job"
    assert verdict(raised) == (Code.NOT_FOUND, Source.GATEWAY, Outcome.NOT_EXECUTED, False)
    assert raised.kind is FailureKind.FINAL


def test_attempts_are_told_when_there_were_several() -> None:
    for attempts, details in ((1, None), (2, {"attempts": 2}), (5, {"attempts": 5})):
        assert error(Failure.of("INTERNAL", "null"), attempts=attempts).details == details


@for_each(
    [
        ("x" * TEXT_LIMIT, None),
        ("x" * (TEXT_LIMIT + 1), "x" * TEXT_LIMIT),
        ("x" * (TEXT_LIMIT - 1) + "é", "x" * (TEXT_LIMIT - 1)),
        ("\ud800" * (TEXT_LIMIT + 1), "?" * TEXT_LIMIT),
    ]
)
def test_a_long_text_is_cut_at_whole_characters(text: str, kept: str | None) -> None:
    raised = error(Failure.of("INVALID_ARGUMENT", text))
    assert raised.message == (kept or text)
    assert raised.details == ({"truncated": True} if kept else None)


def test_a_full_batch_says_how_much_passes() -> None:
    text = "Command 'CREATE' rejected with code 'EXCEEDED_BATCH_RECORD_SIZE': "
    raised = error(Failure.of("UNKNOWN", text), size=2_100_000)
    assert raised.details is not None
    assert "2100000 bytes" in raised.details["suggestion"]
    assert "1.5 MB" in raised.details["suggestion"]
    assert (raised.outcome, raised.retryable) == (Outcome.NOT_EXECUTED, False)


@for_each(["NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION", "INVALID_ARGUMENT"])
def test_an_unsure_earlier_attempt_makes_the_outcome_unknown_and_may_be_the_reason(code: str) -> None:
    raised = error(Failure.of(code, "Command 'X' rejected with code 'Y': z"), idempotent=True, attempts=2, unsure=True)
    assert (raised.outcome, raised.retryable) == (Outcome.UNKNOWN, False)
    if code == "INVALID_ARGUMENT":
        assert raised.details == {"intent": "X", "rejection": "Y", "attempts": 2}
    else:
        assert "earlier attempt" in (raised.details or {})["suggestion"]


@for_each([
    ("UNAVAILABLE", REFUSED + "Connection refused",
     "failed to connect to all addresses; last error: UNKNOWN: <address>: Connection refused"),
    ("UNAVAILABLE", "failed to connect to all addresses; last error: UNKNOWN: ipv6:%5B::1%5D:26500: Connection refused",
     "failed to connect to all addresses; last error: UNKNOWN: <address>: Connection refused"),
    ("UNAVAILABLE", "errors resolving zeebe.internal:26500: not found", "errors resolving <address>: not found"),
    ("DEADLINE_EXCEEDED", TIMED_OUT + "Request command-api-1 to zeebe-0.zeebe/10.1.2.3:26501 timed out in PT5S",
     TIMED_OUT + "Request command-api-1 to <address> timed out in PT5S"),
    ("ABORTED",
     "Connection RemoteClientConnection{channel=[id: 0x12, L:/10.0.0.1:50000 - R:/10.0.0.2:26501]} was closed",
     "Connection RemoteClientConnection{channel=[id: 0x12, L:<address> - R:<address>]} was closed"),
    ("UNAVAILABLE", "error:10.0.0.7:26500.", "error:<address>."),
    ("UNAVAILABLE", "of zeebe:26500, é10.0.0.7:80", "of <address>, é<address>"),
    ("INVALID_ARGUMENT", "'10.0.0.7:26500' is not valid", "'10.0.0.7:26500' is not valid"),
])  # fmt: skip
def test_texts_about_connections_do_not_name_hosts(status: str, text: str, shown: str) -> None:
    assert error(Failure.of(status, text)).message == shown


def test_an_address_at_the_cut_is_not_half_there() -> None:
    for length in range(TEXT_LIMIT - 20, TEXT_LIMIT + 5):
        message = error(Failure.of("UNAVAILABLE", " " * length + "10.0.0.7:26500 " * 500)).message
        assert "10.0" not in message, length
        assert len(message.encode()) <= TEXT_LIMIT


@for_each(
    [
        ("Expected to execute command on partition 7, but either", 7),
        ("Expected to execute command on partition -1, but either", -1),
        ("Expected to execute command on partition x", None),
        ("Expected to execute command on partition " + "7" * 5000, None),
        ("", None),
    ]
)
def test_the_partition_of_a_text_is_found(text: str, number: int | None) -> None:
    assert partition(text) == number
