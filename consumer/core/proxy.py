"""The proxy that the environment names for a server: one answer for all that the service connects to over HTTP."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # not in the stubs

__all__ = ["Proxy", "grpc_proxy", "web_proxy"]

GRPC: Final = ("grpc_proxy", "https_proxy", "http_proxy")
"""The variables that the gRPC library reads, the first that is set; it knows no others, and no capitals."""
NO_PROXY: Final = ("no_grpc_proxy", "no_proxy", "NO_PROXY")
"""The variables with hosts to which the way is direct; of the last one the gRPC library knows nothing."""


@dataclass(frozen=True)
class Proxy:
    """A proxy, and the variable that names it."""

    variable: str
    url: str

    def __str__(self) -> str:
        """Its address for people, without a password."""
        # Not parsed: it may be none that could be, and a password may have any characters in it.
        scheme, _, rest = self.url.partition("://")
        login, at, place = rest.rpartition("@")
        user = f"{login.partition(':')[0]}:***@" if at else ""
        return f"{scheme}://{user}{place.partition('/')[0]}"

    def advice(self, server: str, host: str) -> str:
        """What to do when `server` at `host` is not reached through it."""
        return (
            f"connections to {server} go through the proxy {self} of the variable {self.variable}: is it running, and "
            f"does it allow this one? To connect directly, add {host} to NO_PROXY"
        )


def grpc_proxy(host: str, environ: Mapping[str, str] = os.environ) -> Proxy | None:
    """The proxy through which gRPC goes to a host; None = directly."""
    variable = next((name for name in GRPC if name in environ), None)
    if variable is None or _is_direct(host, environ, NO_PROXY):
        return None
    try:
        parts = urlsplit(environ[variable])
    except ValueError:
        return None
    # The library takes no others, and says so in its own log.
    return Proxy(variable, environ[variable]) if parts.scheme == "http" and parts.netloc else None


def web_proxy(url: str, environ: Mapping[str, str] = os.environ) -> Proxy | None:
    """The proxy through which HTTP goes to a URL; None = directly. One that does not speak HTTP (SOCKS) is none."""
    parts = urlsplit(url)
    names = (f"{parts.scheme}_proxy", f"{parts.scheme}_proxy".upper(), "all_proxy", "ALL_PROXY")
    variable = next((name for name in names if _is_http(environ.get(name, ""))), None)
    if variable is None or _is_direct(parts.hostname or "", environ, NO_PROXY[1:]):
        return None
    proxy = environ[variable]
    return Proxy(variable, proxy if "://" in proxy else f"http://{proxy}")


def _is_http(proxy: str) -> bool:
    scheme, separator, _ = proxy.partition("://")
    return scheme.lower() in ("http", "https") if separator else bool(proxy)


def _is_direct(host: str, environ: Mapping[str, str], variables: tuple[str, ...]) -> bool:
    return any(
        proxy_bypass_environment(host, {"no": entry.strip()}) or _is_in(host, entry.strip())
        for name in variables
        for entry in environ.get(name, "").split(",")
    )


def _is_in(host: str, network: str) -> bool:
    """Whether the host is an address in a network such as 10.0.0.0/8, which Python's own matching does not know."""
    try:
        return "/" in network and ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False
