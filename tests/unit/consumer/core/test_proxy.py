"""The proxy of the environment: which one is used for what, what goes past it, and what is told of it."""

from __future__ import annotations

from consumer.core.proxy import Proxy, grpc_proxy, web_proxy

P, Q = "http://p:3128", "http://q:3128"


def test_grpc_goes_through_the_first_variable_that_its_library_reads() -> None:
    for environ, variable in (
        ({}, None),
        ({"http_proxy": P}, "http_proxy"),
        ({"http_proxy": P, "https_proxy": Q}, "https_proxy"),
        ({"http_proxy": P, "grpc_proxy": Q}, "grpc_proxy"),
        ({"HTTP_PROXY": P, "HTTPS_PROXY": P, "all_proxy": P}, None),
        ({"grpc_proxy": "", "http_proxy": P}, None),
        ({"http_proxy": "p:3128"}, None),
        ({"http_proxy": "https://p:3128"}, None),
        ({"http_proxy": "http://[p:3128"}, None),
    ):
        found = grpc_proxy("zeebe", environ)
        assert (found and found.variable) == variable, environ


def test_http_goes_through_the_variable_of_its_scheme_in_either_case_or_through_that_for_all() -> None:
    for environ, url, variable in (
        ({}, "http://c", None),
        ({"http_proxy": P, "HTTP_PROXY": Q}, "http://c", "http_proxy"),
        ({"HTTP_PROXY": P}, "http://c", "HTTP_PROXY"),
        ({"HTTPS_PROXY": P}, "http://c", None),
        ({"HTTPS_PROXY": P}, "https://c", "HTTPS_PROXY"),
        ({"http_proxy": "", "ALL_PROXY": P}, "http://c", "ALL_PROXY"),
        ({"grpc_proxy": P}, "http://c", None),
        ({"ALL_PROXY": "socks5://p:1080"}, "http://c", None),
        ({"all_proxy": "socks5h://p:1080", "ALL_PROXY": "HTTP://p:3128"}, "http://c", "ALL_PROXY"),
        ({"http_proxy": "https://p:3128"}, "http://c", "http_proxy"),
    ):
        found = web_proxy(url, environ)
        assert (found and found.variable) == variable, (environ, url)
    assert web_proxy("http://c", {"http_proxy": "p:3128"}) == Proxy("http_proxy", P)


def test_hosts_of_no_proxy_are_reached_directly_in_either_case() -> None:
    for variable in ("no_proxy", "NO_PROXY"):
        for entries, host, direct in (
            ("zeebe", "zeebe", True),
            ("localhost, .example", "zeebe.example", True),
            ("example", "zeebe.example", True),
            ("*", "zeebe", True),
            ("localhost,*", "zeebe", True),
            ("10.0.0.0/8", "10.1.2.3", True),
            ("fd00::/8", "fd00::1", True),
            ("10.0.0.0/8,broken/x", "11.1.2.3", False),
            ("10.0.0.0/8", "zeebe", False),
            ("eebe", "zeebe", False),
            ("", "zeebe", False),
        ):
            environ = {"http_proxy": P, variable: entries}
            url = f"http://[{host}]:1/x" if ":" in host else f"http://{host}:1/x"
            assert (grpc_proxy(host, environ) is None) is direct, (variable, entries, host)
            assert (web_proxy(url, environ) is None) is direct, (variable, entries, host)
    assert grpc_proxy("zeebe", {"http_proxy": P, "no_grpc_proxy": "zeebe"}) is None
    assert web_proxy("http://zeebe", {"http_proxy": P, "no_grpc_proxy": "zeebe"}) is not None


def test_no_password_is_told() -> None:
    for url, shown in (
        ("http://p:3128/", "http://p:3128"),
        ("http://ann@p:3128", "http://ann:***@p:3128"),
        ("http://ann:se#cr@e/t?@p:3128", "http://ann:***@p:3128"),
        ("http://ann:secret@[p:3128", "http://ann:***@[p:3128"),
    ):
        assert str(Proxy("http_proxy", url)) == shown
    proxy = Proxy("http_proxy", "http://ann:secret@p:3128/")
    assert str(proxy) == "http://ann:***@p:3128"
    told = proxy.advice("the gateway", "zeebe")
    assert told.startswith(
        "connections to the gateway go through the proxy http://ann:***@p:3128 of the variable http_"
    )
    assert told.endswith("add zeebe to NO_PROXY")
