"""Whatever bytes and headers come, they are decoded or refused; nothing else is raised."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.contracts.samples import FULLEST, JSON_VALUES, SMALLEST, body, request
from zeebe_amqp import envelope, wire
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.errors import CommandError

NAMES = [b'"operation"', b'"data"', b'"metadata"', b'"deploy-process"', b'"create-instance"', b'"variables"']
ODDITIES = [b"\xff", b"\\ud800", b"null", b"1e999", b"9" * 5000, b"NaN"]
TOKENS = st.lists(
    st.sampled_from([b"{", b"}", b"[", b"]", b":", b",", b'"', b"\\", *ODDITIES, *NAMES]), max_size=20
).map(b"".join)
TYPES = st.none() | st.sampled_from([*COMMANDS, "unknown"]) | st.text()
HEADERS = st.dictionaries(
    st.sampled_from([*wire.METADATA_NAMES, wire.DEADLINE, wire.REQUEST_ID]),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.lists(st.integers()),
)
OPERATIONS = st.sampled_from([*COMMANDS])
BODIES = (
    st.binary()
    | TOKENS
    | JSON_VALUES.map(lambda value: json.dumps(value).encode())
    | st.builds(body, OPERATIONS, JSON_VALUES, metadata=JSON_VALUES)
    | st.builds(lambda name, data: b'{"operation":"%s","data":%s}' % (name.encode(), data), OPERATIONS, TOKENS)
)


@given(BODIES, TYPES, st.none() | st.text(), st.none() | st.text(), HEADERS)
def test_nothing_raises_anything_but_a_command_error(
    raw: bytes, type: str | None, content_type: str | None, content_encoding: str | None, headers: dict[str, Any]
) -> None:
    with suppress(CommandError):
        envelope.decode(raw, type=type, content_type=content_type, content_encoding=content_encoding, headers=headers)
    with suppress(CommandError):
        assert len(envelope.decode(raw, type=type, headers=headers).digest()) == 32
    for read in (envelope.deadline, envelope.request_id):
        with suppress(CommandError):
            read(headers)


@settings(max_examples=30)
@given(members=st.dictionaries(st.text(max_size=3), JSON_VALUES, max_size=2), chosen=st.randoms(use_true_random=False))
def test_a_request_with_any_value_anywhere_is_decoded_or_refused(members: dict[str, Any], chosen: Any) -> None:
    for operation in SMALLEST:
        data = FULLEST[operation] | members
        for name in list(data)[:2]:
            data[chosen.choice(list(data))] = data[name]
        with suppress(CommandError):
            request(operation, data)
