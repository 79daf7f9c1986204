"""Texts of engines and proxies: hosts, addresses and stack traces are cut out, and a caller's own words stay."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import consumer
from consumer.core.foreign_text import ADDRESS, READ, EngineError, operators_text, redact, shorten
from tests.cases import for_each
from zeebe_amqp.errors import Code, CommandError


@for_each([
    "10.0.0.7", "10.0.0.7:26500", "/10.0.3.4:26502", "ipv4:10.0.0.5:26500", "broker-0.internal/10.1.2.3:26501",
    "::1", "fe80::1%eth0", "2001:db8:0:0:0:0:0:1", "[::1]:26500", "ipv6:%5B2001:db8::7%5D:26500",
    "/0:0:0:0:0:0:0:1:26501",
    "[fe80::1%eth0]:26500", "zeebe:26500", "localhost:8080", "zeebe-0.zeebe:443", "0.zeebe:26500", "zeebe_0:26500",
    "zeebe-0.zeebe.ns.svc", "zeebe-0.zeebe.svc.cluster.local", "BROKER.Internal", "db.corp", "x.lan",
    "broker-0.internal/<unresolved>:26501", "https://login.example.com/x?y=1", "postgresql://db:5432/x",
])  # fmt: skip
def test_an_address_is_not_told(address: str) -> None:
    for text in (
        "{}",
        "to {} refused",
        "to {}, refused",
        "to ({})",
        "L:{} - R:{}",
        "to {}.",
        "couldn't reach {}, isn't up",
    ):
        assert redact(text.format(*[address] * 2)) == text.format(*[ADDRESS] * 2), text
    assert redact(f"'{address}'", quotes=False) == f"'{ADDRESS}'"


@for_each([
    "order.example.com", "invoice.bpmn", "8.5.1", "8.6.0.1-rc", "12:30:45", "2026-11-28T12:30:45Z",
    "key:2251799813685250",
    "line:12", "Foo.java:12", "com.acme.Order", "std::vector", "1.5", "a.b.c", "TypeError: no", "an Exception while",
    "gateway_protocol.Gateway/EvaluateConditional", "5000005 vs. 4194304", "at io.acme", "at [Source: REDACTED (x)]",
    "'10.0.0.7:26500'", '"http://shop.example:8080"', "'zeebe-0.zeebe.svc', 'b:26501'", '{"a":"::1"}',
    "'java.lang.NullPointerException: at a.b.C(D.java:1)'",
])  # fmt: skip
def test_what_only_looks_like_an_address_stays(text: str) -> None:
    assert redact(f"It is {text}, and so on") == f"It is {text}, and so on"


@for_each([
    "java.net.ConnectException: broker-0 refused", "io.camunda.zeebe.A$BException: x", "ConnectException: broker-0",
    "java.lang.OutOfMemoryError: x", "\n\tat a.b.C(D.java:12)\n\tat a.b.E(F.java:1)",
    "\tat java.base/java.lang.T.run(T:1)",
    "Caused by: node-1", "Traceback (most recent call last):\n  File x",
])  # fmt: skip
def test_a_stack_trace_or_an_exception_ends_a_text(inside: str) -> None:
    assert redact(f"It failed: {inside}") == "It failed …"
    assert redact(inside) == ""


def test_of_a_long_text_no_address_is_half_told() -> None:
    for length in range(READ - 20, READ + 1):
        assert "10.0" not in redact("x" * length + " 10.0.0.7:26500 " + "x" * 400), length
    assert redact("x" * 2 * READ) == "x" * (READ - 300)


@for_each([("é" * 1024, "é" * 1024, False), ("é" * 1025, "é" * 1024, True), ("x" + "é" * 9000, "x" + "é" * 1023, True)])
def test_a_text_is_cut_at_a_whole_character(text: str, kept: str, is_cut: bool) -> None:
    assert shorten(text) == (kept, is_cut)


def test_an_operator_reads_what_was_said() -> None:
    errors = (EngineError(Code.UNKNOWN, "a", text="b"), EngineError(Code.UNKNOWN, "a"), CommandError(Code.UNKNOWN, "a"))
    assert [operators_text(each) for each in errors] == ["b", "a", "a"]


TELLS = frozenset({"CommandError", "EngineError", "Error", "Failure", "invalid"})
"""What makes an error for a caller."""
FOR_OPERATORS = {("client.py", "problem")}
"""The certificate's file cannot be read: only the look at the gateway opens its connection anew."""


def quoted_exceptions(tree: ast.AST) -> Iterator[str]:
    """The caught exceptions that stand in what a caller is told."""
    for handler in (each for each in ast.walk(tree) if isinstance(each, ast.ExceptHandler) and each.name):
        texts = [each.value for each in ast.walk(handler) if isinstance(each, ast.Assign)]
        calls = [each for each in ast.walk(handler) if isinstance(each, ast.Call)]
        told = [each for each in calls if isinstance(each.func, ast.Name) and each.func.id in TELLS]
        inside = [name for each in (*told, *(texts if told else ())) for name in ast.walk(each)]
        if any(isinstance(each, ast.Name) and each.id == handler.name for each in inside):
            yield str(handler.name)


def test_no_error_for_a_caller_quotes_an_exception() -> None:
    files = sorted(Path(consumer.__file__).parent.rglob("*.py"))
    found = {(file.name, name) for file in files for name in quoted_exceptions(ast.parse(file.read_text()))}
    assert found == FOR_OPERATORS
