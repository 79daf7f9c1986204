"""The one gRPC channel to the gateway, with the options that experience asks for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import grpc

from consumer.config import Zeebe
from consumer.core.proxy import grpc_proxy

__all__ = ["open_channel"]


PEM_MARK: Final = b"-----BEGIN CERTIFICATE-----"
KEEP_ALIVE_ANSWER: Final = 15_000
"""Milliseconds a keep-alive ping may stay unanswered before the connection counts as lost."""
METADATA_LIMIT: Final = 1024 * 1024
"""Bytes of answer metadata; a rejection of a deployment with many errors is long, and C-core's limit is 8 KiB."""
UNLIMITED: Final = -1


def open_channel(zeebe: Zeebe) -> grpc.aio.Channel:
    """The channel to `zeebe.address`; call it inside the running event loop.

    It connects when the first call needs it, and never waits for readiness: a call on a broken channel
    fails at once with the cause.

    Raises:
        ValueError: the CA certificate file is missing or holds no certificate.
    """
    options = _options(zeebe)
    if zeebe.plaintext:
        return grpc.aio.insecure_channel(zeebe.address, options=options)
    path = zeebe.ca_certificate_path
    roots = None if path is None else _certificates(path, zeebe.names["ZEEBE_CA_CERTIFICATE_PATH"])
    return grpc.aio.secure_channel(zeebe.address, grpc.ssl_channel_credentials(roots), options=options)


def _options(zeebe: Zeebe) -> list[tuple[str, Any]]:
    options: list[tuple[str, Any]] = [
        ("grpc.keepalive_time_ms", round(zeebe.keep_alive * 1000)),
        ("grpc.keepalive_timeout_ms", KEEP_ALIVE_ANSWER),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        # The defaults notice a gateway that is back only after up to two minutes.
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 1000),
        # In spite of its name the time limit of one connection attempt: a far gateway's TLS takes more than a second.
        ("grpc.min_reconnect_backoff_ms", 10_000),
        ("grpc.max_receive_message_length", UNLIMITED),
        ("grpc.max_send_message_length", UNLIMITED),
        ("grpc.max_metadata_size", METADATA_LIMIT),
        ("grpc.absolute_max_metadata_size", METADATA_LIMIT),
        # Retries are decided in one place, so none may come from DNS records.
        ("grpc.service_config_disable_resolution", 1),
        ("grpc.use_local_subchannel_pool", 1),
        # The library knows no NO_PROXY in capitals.
        ("grpc.enable_http_proxy", int(grpc_proxy(zeebe.host) is not None)),
    ]
    if zeebe.address.startswith("dns:"):
        options.append(("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})))
    if zeebe.override_authority:
        options.append(("grpc.default_authority", zeebe.override_authority))
        if not zeebe.plaintext:
            options.append(("grpc.ssl_target_name_override", zeebe.override_authority))
    return options


def _certificates(path: Path, setting: str) -> bytes:
    try:
        pem = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{setting}: cannot read {path} ({error.strerror}); accepted: a PEM file") from error
    if PEM_MARK not in pem:
        # C-core takes an empty file for "the system's roots", silently.
        raise ValueError(f"{setting}: no certificate in {path}; accepted: a PEM file with at least one")
    return pem
