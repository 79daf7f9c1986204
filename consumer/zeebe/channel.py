"""The one gRPC channel to the gateway, with the options that experience asks for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import grpc

from consumer.config import Zeebe
from consumer.config.certificates import is_pair
from consumer.core.proxy import grpc_proxy

__all__ = ["open_channel"]


CERTIFICATE: Final = "CERTIFICATE"
PRIVATE_KEY: Final = "PRIVATE KEY"
"""What PEM files are looked through for."""
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
        ValueError: a file of certificates or of a key is missing, or has something else in it.
    """
    options = _options(zeebe)
    if zeebe.plaintext:
        return grpc.aio.insecure_channel(zeebe.address, options=options)
    path = zeebe.ca_certificate_path
    roots = None if path is None else _pem(path, zeebe.names["ZEEBE_CA_CERTIFICATE_PATH"], CERTIFICATE)
    credentials = grpc.ssl_channel_credentials(roots, *_client_certificate(zeebe))
    return grpc.aio.secure_channel(zeebe.address, credentials, options=options)


def _client_certificate(zeebe: Zeebe) -> tuple[bytes, bytes] | tuple[None, None]:
    """The private key and the certificate; they are looked at for each connection, as certificates are renewed."""
    cert, key = zeebe.client_cert_path, zeebe.client_key_path
    if cert is None or key is None:
        return None, None
    of_cert, of_key = zeebe.names["ZEEBE_CLIENT_CERT_PATH"], zeebe.names["ZEEBE_CLIENT_KEY_PATH"]
    found = _pem(key, of_key, PRIVATE_KEY), _pem(cert, of_cert, CERTIFICATE)
    if not is_pair(cert, key):
        # C-core would fail each connection for a reason that it tells only its own log.
        raise ValueError(f"{of_key}: {key} is not the private key, without password, of {of_cert}")
    return found


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


def _pem(path: Path, setting: str, kind: str) -> bytes:
    """The content of a PEM file that has one of this kind."""
    try:
        pem = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{setting}: cannot read {path} ({error.strerror}); accepted: a PEM file") from error
    if f"{kind}-----".encode() not in pem:
        # C-core takes an empty file for "the system's roots", silently.
        raise ValueError(f"{setting}: no {kind.lower()} in {path}; accepted: a PEM file with at least one")
    return pem
