"""The RPCs of the protocol, found by the type of their request message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from consumer.zeebe.protocol import gateway_pb2

__all__ = ["METHODS", "SERVICE", "Rpc", "bind"]


SERVICE: Final = gateway_pb2.DESCRIPTOR.services_by_name["Gateway"]


@dataclass(frozen=True)
class Rpc:
    """One RPC: its name, the path of its requests, and the class of its responses."""

    name: str
    path: str
    streaming: bool
    response: type[Message]


def _rpc(method: MethodDescriptor) -> Rpc:
    response = message_factory.GetMessageClass(method.output_type)
    return Rpc(method.name, f"/{SERVICE.full_name}/{method.name}", method.server_streaming, response)


METHODS: Final[Mapping[str, Rpc]] = MappingProxyType(
    {method.input_type.full_name: _rpc(method) for method in SERVICE.methods},
)
"""Every RPC by the full name of its request message ("gateway_protocol.TopologyRequest")."""


def bind(channel: grpc.aio.Channel) -> dict[str, Any]:
    """Callables by RPC name: they take a request already serialized and return its call."""
    return {rpc.name: _bind(channel, rpc) for rpc in METHODS.values()}


def _bind(channel: grpc.aio.Channel, rpc: Rpc) -> Any:
    # Requests arrive as bytes: serialized once, measured once, and sent by every attempt.
    make: Any = channel.unary_stream if rpc.streaming else channel.unary_unary
    return make(rpc.path, request_serializer=None, response_deserializer=rpc.response.FromString)
