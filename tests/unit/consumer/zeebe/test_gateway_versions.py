"""Gateways of every age from the first on: what one would drop is refused by name, what it knows is sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from consumer.zeebe import versions
from consumer.zeebe.rpcs import METHODS, SERVICE
from consumer.zeebe.versions import OLDEST, SINCE, Version
from tests.cases import for_each
from tests.fakes.gateway import FakeGateway
from tests.unit.consumer.errors import verdict
from tests.unit.consumer.zeebe.samples import Connect, send
from zeebe_amqp.errors import Code, CommandError, Outcome, Source

Way = tuple[FieldDescriptor, ...]
PACKAGE = f"{SERVICE.file.package}."
VALUES = {FieldDescriptor.TYPE_STRING: "text", FieldDescriptor.TYPE_BYTES: b"text", FieldDescriptor.TYPE_BOOL: True}
FIRST = set((Path(__file__).parent / "first_protocol.txt").read_text("utf-8").split("\n")) - {""}
"""Fields and RPCs of version 1.0 of the protocol."""


def ways(descriptor: Descriptor, before: Way = ()) -> Iterator[Way]:
    """The ways to all fields of a message, however deep."""
    for field in descriptor.fields:
        yield (*before, field)
        if field.message_type is not None:
            yield from ways(field.message_type, (*before, field))


def only(kind: Descriptor, way: Way) -> Message:
    """A request in which one field is set, and what leads to it; in lists it is the second element that leads on."""
    message = GetMessageClass(kind)()
    node: Any = message
    for field in way:
        if field.message_type is not None:
            nodes = [getattr(node, field.name).add() for _ in range(2)] if field.is_repeated else []
            node = nodes[-1] if nodes else getattr(node, field.name)
            node.SetInParent()
        elif field.is_repeated:
            getattr(node, field.name).append("text")
        else:
            setattr(node, field.name, VALUES.get(field.type, 1))
    return message


REQUESTS = [
    (METHODS[kind.full_name].name, way, only(kind, way))
    for kind in (method.input_type for method in SERVICE.methods)
    for way in ((), *ways(kind))
]


def named(way: Way) -> str:
    """The way as callers know it: the wrapping of create-instance with result is none of their business."""
    steps = [field.name + ("[1]" if field.is_repeated and field is not way[-1] else "") for field in way]
    return ".".join(["data", *(step for step in steps if step != "request")])


def refused(rpc: str, way: Way, age: Version) -> tuple[str, Version] | None:
    """The field that a gateway of that age is said not to know, and the age it needs; None: it knows all."""
    steps = [("operation", f"rpc {rpc}")]
    steps += [(named(way[:length]), field.full_name.removeprefix(PACKAGE)) for length, field in enumerate(way, 1)]
    return next(((step, SINCE[name]) for step, name in steps if SINCE.get(name, OLDEST) > age), None)


def test_every_name_of_the_protocol_is_dated_or_of_the_first_version_and_no_other_is() -> None:
    kinds = [kind for method in SERVICE.methods for kind in (method.input_type, method.output_type)]
    fields = {field.full_name.removeprefix(PACKAGE) for kind in kinds for way in ways(kind) for field in way}
    names = fields | {f"rpc {method.name}" for method in SERVICE.methods}
    assert set(SINCE) <= names
    assert names - set(SINCE) == FIRST


@for_each((age,) for age in sorted({OLDEST, *SINCE.values()}))
async def test_a_gateway_of_any_age_gets_what_it_knows_and_nothing_else(age: Version, connect: Connect) -> None:
    version = f"{age[0]}.{age[1]}.0"
    async with FakeGateway(version=version) as fake:
        gateway = connect(fake.address)
        await gateway.probe()
        for rpc, way, message in REQUESTS:
            fake.reset()
            expected = refused(rpc, way, age)
            if expected is None:
                answer = await send(gateway, message)
                assert [(request.rpc, request.message) for request in fake.requests] == [(rpc, message)]
                method = SERVICE.methods_by_name[rpc]
                [response] = answer if method.server_streaming else [answer]
                assert response.DESCRIPTOR.full_name == method.output_type.full_name
                continue
            field, needed = expected
            with pytest.raises(CommandError) as raised:
                await send(gateway, message)
            error = raised.value
            assert verdict(error) == (Code.UNIMPLEMENTED, Source.CONSUMER, Outcome.NOT_EXECUTED, False)
            assert error.message.startswith(f"{field}: ")
            assert f"version {needed[0]}.{needed[1]} or newer" in error.message
            assert error.message.endswith(version)
            assert (error.details or {})["field"] == field
            assert not fake.requests


def test_a_gateway_of_unknown_version_is_refused_nothing() -> None:
    for _, _, message in REQUESTS:
        for unknown in (None, "", "dev"):
            versions.check(message, unknown)


def test_a_version_matters_only_to_what_is_newer_than_the_oldest() -> None:
    for rpc, way, message in REQUESTS:
        assert versions.depends(message) is (refused(rpc, way, OLDEST) is not None), (rpc, named(way))


def test_versions_are_read_by_their_first_two_numbers() -> None:
    read = {"8.6.0": (8, 6), "8.9.0-rc1": (8, 9), "8.10": (8, 10), "1.1": (1, 1), "dev": None, "": None, "8": None}
    assert {text: versions.parse(text) for text in read} == read
