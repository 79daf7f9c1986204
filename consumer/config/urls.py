"""URLs of servers: each parser turns text into a value, or raises ValueError saying what is accepted."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from zeebe_amqp.amqp.address import accepted_parameters

__all__ = ["broker_urls", "hidden", "is_local", "rest_url", "split", "token_url", "without_credentials"]


def broker_urls(text: str) -> tuple[str, ...]:
    """Comma-separated URLs of the nodes of one broker, all of one scheme."""
    urls = tuple(part.strip() for part in re.split(r",(?=\s*amqps?://)", text))
    if not all(map(_is_broker_url, urls)):
        raise ValueError("amqp://user:password@host:port/vhost or amqps://…, several separated by commas")
    for accepted in filter(None, map(accepted_parameters, urls)):
        raise ValueError(accepted)
    if len({url.partition("://")[0] for url in urls}) > 1:
        raise ValueError("either amqp:// or amqps:// for all hosts, never both")
    return urls


def _is_broker_url(url: str) -> bool:
    parts = split(url, "amqp", "amqps")
    return parts is not None and not parts.fragment and "," not in str(parts.hostname)


def split(url: str, *schemes: str) -> SplitResult | None:
    """The parts of a URL of one of these schemes, with a host and without spaces; None when it is no such URL."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in schemes and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if valid and not re.search(r"\s", url) else None


def token_url(text: str) -> str:
    """The URL of a token endpoint."""
    if not _is_http_url(text) or "@" in urlsplit(text).netloc:
        raise ValueError("an http:// or https:// URL without user and password")
    return text


def rest_url(text: str) -> str:
    """The URL that the paths of a REST API begin with, without a slash at its end."""
    if not _is_http_url(text) or re.search(r"[?#\\]|@.*@", text):
        raise ValueError("the http:// or https:// URL of a REST API, such as http://127.0.0.1:8080/engine-rest")
    return text.rstrip("/")


def _is_http_url(text: str) -> bool:
    return text.isprintable() and split(text, "http", "https") is not None


def without_credentials(url: str) -> tuple[str, tuple[str, str] | None]:
    """A URL without user and password, and these two, decoded; None when it has none."""
    parts = urlsplit(url)
    plain = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return plain, None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))


def is_local(host: str) -> bool:
    """Whether a host is this machine, by its name or address."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def hidden(text: str) -> str:
    """`text` with the user and password of every URL in it replaced by `***`, and so secrets among parameters."""
    text = re.sub(r"([?&]\w*(?:password|secret)=)[^&]*", r"\1***", text)
    return ",".join(_hidden(part) for part in re.split(r",(?=\s*\w+://)", text))


def _hidden(url: str) -> str:
    credentials, at, host = url.rpartition("@")
    scheme, separator, _ = credentials.partition("://")
    return f"{scheme + separator if separator else ''}***@{host}" if at else url
