"""Seals: whatever is changed in a sealed message breaks its seal, and nothing that its way adds does."""

from __future__ import annotations

import base64
import struct
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from consumer.core.seal import Purpose, Seal, digest_in, digest_of
from consumer.core.signing import SigningKeys
from tests.cases import check_all, for_each
from tests.unit.contracts.amqp.test_table import all_values, names, not_text
from zeebe_amqp import wire
from zeebe_amqp.amqp.properties import NAMES, Properties

OLD, NEW = b"o" * 32, b"n" * 32
SEAL = Seal((OLD,))
DIGEST = digest_of(b"{}")
SENT, FAR = datetime(2026, 1, 2, tzinfo=UTC), datetime(2999, 1, 2, tzinfo=UTC)
HEADERS: dict[str, Any] = {
    "text": "\u00e4", "bytes": b"\xff", "array": bytearray(b"x"), "yes": True, "small": 7, "large": 2**40, "half": 0.5,
    "none": None, "list": [1, "x", [None]], "table": {"b": 1, "a": {"c": "d"}}, "time": SENT, "far": FAR,
    "sum": Decimal("1.10"), wire.DEADLINE: 5, wire.ERROR_MESSAGE: "no", wire.ORIGINAL_USER_ID: "alice",
}  # fmt: skip
"""Of every type."""
PROPERTIES = Properties(
    content_type="a/b", content_encoding="utf-8", priority=3, correlation_id="c", reply_to="r", message_id="m",
    timestamp=1_700_000_000, type="topology", app_id="a", cluster_id="k", expiration="5",
)  # fmt: skip
far = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))


def make(seal: Seal = SEAL, purpose: Purpose = Purpose.LETTER) -> str:
    made = seal.make(purpose, PROPERTIES, HEADERS, DIGEST, "orders")
    assert made is not None
    return made


def holds(
    seal: object,
    *,
    by: Seal = SEAL,
    purpose: Purpose = Purpose.LETTER,
    properties: Properties = PROPERTIES,
    headers: dict[str, Any] = HEADERS,
    queue: str = "orders",
) -> bool:
    return by.verify(seal, purpose, properties, headers, queue) == DIGEST


def test_what_was_sealed_is_verified_also_after_its_way_over_the_wire() -> None:
    sealed = make()
    assert holds(sealed)
    assert len(sealed) < 100
    read = Properties.read(replace(PROPERTIES, headers=HEADERS, user_id="us", delivery_mode=2).write())
    assert holds(sealed, properties=read, headers=dict(read.headers or {}))
    assert digest_in(sealed) == DIGEST


@given(st.dictionaries(names, all_values | not_text | st.floats() | far, max_size=4))
def test_any_headers_that_can_be_written_are_verified_as_they_are_read_and_written_again(
    headers: dict[str, Any],
) -> None:
    sealed = SEAL.make(Purpose.REPLAY, PROPERTIES, headers, DIGEST, "q")
    for _ in range(2):
        headers = dict(Properties.read(Properties(headers=headers).write()).headers or {})
        assert SEAL.verify(sealed, Purpose.REPLAY, PROPERTIES, headers, "q") == DIGEST


def test_each_property_and_header_is_covered() -> None:
    sealed = make()
    covered = [name for name in NAMES if name not in ("headers", "user_id", "delivery_mode")]
    assert all(getattr(PROPERTIES, name) is not None for name in covered)

    def breaks(name: str, value: Any) -> None:
        assert not holds(sealed, properties=replace(PROPERTIES, **{name: value}))

    values = {name: (7, None) if isinstance(getattr(PROPERTIES, name), int) else ("other", None) for name in covered}
    check_all([(name, value) for name, each in values.items() for value in each], breaks)

    def breaks_too(name: str, value: Any) -> None:
        assert not holds(sealed, headers={**HEADERS, name: value})
        assert not holds(sealed, headers={each: HEADERS[each] for each in HEADERS if each != name})

    check_all([(name, "other") for name in HEADERS], breaks_too)
    more = {wire.TRUNCATED: True, wire.REPLAYS: 1, "CC": ["q"], wire.FILE_NAME: "x", "": 1}
    check_all([{name: value} for name, value in more.items()], lambda each: _broken(sealed, each))


def _broken(sealed: str, more: dict[str, Any]) -> None:
    assert not holds(sealed, headers={**HEADERS, **more})


@for_each([
    ("yes", 1), ("small", 7.0), ("small", "7"), ("text", "\u00e4".encode()), ("none", ""), ("array", b"x"),
    ("list", [1, "x", []]), ("list", [1, ["x", None]]), ("table", {"b": 1, "a": {"c": "d", "e": 1}}),
    ("large", 2**40 + 1),
])  # fmt: skip
def test_no_value_passes_for_another(name: str, value: Any) -> None:
    same = name == "text"  # bytes that are UTF-8 are that text on the wire
    assert holds(make(), headers={**HEADERS, name: value}) is same


def test_a_seal_is_of_its_queue_purpose_body_and_keys() -> None:
    sealed = make()
    assert not holds(sealed, queue="other")
    assert not holds(sealed, queue="")
    assert [purpose for purpose in Purpose if holds(sealed, purpose=purpose)] == [Purpose.LETTER]
    assert not holds(sealed, by=Seal((NEW,)))
    assert not holds(sealed, by=Seal())
    other = base64.urlsafe_b64encode(digest_of(b"[]")).decode().rstrip("=")
    assert SEAL.verify(f"1.{other[:42]}{sealed[44:]}", Purpose.LETTER, PROPERTIES, HEADERS, "orders") is None


def test_the_first_key_seals_and_all_verify_until_they_are_removed() -> None:
    before, during, after = Seal((OLD,)), Seal((NEW, OLD)), Seal((NEW,))
    assert [holds(make(before), by=each) for each in (before, during, after)] == [True, True, False]
    assert [holds(make(during), by=each) for each in (before, during, after)] == [False, True, True]
    assert (Seal().make(Purpose.LETTER, PROPERTIES, HEADERS, DIGEST, "q"), bool(Seal()), bool(before)) == (
        None,
        False,
        True,
    )


def test_keys_of_one_purpose_say_nothing_for_another() -> None:
    here, there = SigningKeys((OLD,), b"dead letters"), SigningKeys((OLD,), b"jobs")
    signature = here.sign(b"x")
    assert (here.verify(b"x", signature), there.verify(b"x", signature)) == (True, False)
    assert (here.verify(b"y", signature), here.verify(b"x", b""), here.verify(b"x", signature[:-1])) == (False,) * 3


ON_THE_WAY: dict[str, Any] = {
    "x-death": [{"queue": "orders"}], "x-first-death-queue": "q", "x-last-death-reason": "r", "x-delivery-count": 3,
    "x-acquired-count": 4, "x-shovelled": [{}], "x-shovelled-timestamp": 1, "x-received-from": [{}],
    "timestamp_in_ms": 1, "x-routed-by": "node", wire.SIGNATURE: "itself", wire.ORIGINAL_QUEUE: "orders",
    wire.RENEWED_USER_ID: "us", wire.RENEWAL: "1.x",
}  # fmt: skip


def test_what_brokers_shovels_and_renewals_add_breaks_no_seal() -> None:
    assert holds(make(), headers={**HEADERS, **ON_THE_WAY})
    assert holds(make(), properties=replace(PROPERTIES, user_id="anybody", delivery_mode=1))
    renewal = make(purpose=Purpose.RENEWAL)
    changed = [
        name for name in ON_THE_WAY if not holds(renewal, purpose=Purpose.RENEWAL, headers={**HEADERS, name: "x"})
    ]
    assert set(changed) == {wire.SIGNATURE, wire.ORIGINAL_QUEUE, wire.RENEWED_USER_ID}


def test_tables_have_no_order() -> None:
    turned = {name: HEADERS[name] for name in reversed(HEADERS)}
    assert holds(make(), headers={**turned, "table": {"a": {"c": "d"}, "b": 1}})


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


@for_each([
    None, "", 5, b"1.", "1.", "2." + "A" * 86, "1." + "A" * 85, "1." + "A" * 86, "1." + "A" * 87, "1." + "\u00e4" * 86,
    "1." + "!" * 86, "x" * 2**20, ["1."], {}, "\ud800",
])  # fmt: skip
def test_whatever_is_no_seal_verifies_nothing(odd: Any) -> None:
    assert not holds(odd)


@for_each([{"x": nested(5000)}, {"x": object()}, {"x" * 300: 1}, {5: 1, "x": 2}, {"x": 2**70}, {"x": "\ud800"}])
def test_whatever_the_headers_are_verifying_never_raises(odd: dict[Any, Any]) -> None:
    assert not holds(make(), headers=odd)


def test_a_time_after_2106_is_written_so_that_it_is_read_as_it_was() -> None:
    for time in (SENT.replace(year=2106, month=2, day=7, hour=6, minute=28, second=15), SENT.replace(year=2999)):
        data = Properties(headers={"t": time}).write()
        assert dict(Properties.read(data).headers or {}) == {"t": time}
    assert struct.unpack(">Q", data[-8:])[0] == time.timestamp() * 1000
