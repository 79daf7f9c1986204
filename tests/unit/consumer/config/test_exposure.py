"""What others could overhear, or take the place of: it is warned about at the start, and by `check`."""

from __future__ import annotations

from typing import Any

import pytest

from consumer.check import check
from consumer.config import Amqp, Settings, Zeebe
from consumer.config.ledger_url import unverified
from tests.cases import for_each

OAUTH = {"ZEEBE_CLIENT_ID": "id", "ZEEBE_CLIENT_SECRET": "hush"}
BASIC = {"CAMUNDA_BASIC_AUTH_USERNAME": "ann", "CAMUNDA_BASIC_AUTH_PASSWORD": "hush"}
CAMUNDA7 = {"CAMUNDA7_USER": "ann", "CAMUNDA7_PASSWORD": "hush"}
SHARED = {"SIGNING_KEYS": "k" * 32}
OF_TOKENS = "ZEEBE_AUTHORIZATION_SERVER_URL: credentials are sent to the authorization server in plaintext"
OF_CAMUNDA7 = "CAMUNDA7_REST_URL: credentials are sent to the Camunda 7 engine in plaintext"
OF_LEDGER = "LEDGER: with sslmode={} another server can take PostgreSQL's place, or TLS be missing; use sslmode="


def at(url: str) -> dict[str, str]:
    return {**OAUTH, "ZEEBE_AUTHORIZATION_SERVER_URL": url}


def engine(url: str, **more: str) -> dict[str, str]:
    return {"CAMUNDA7_REST_URL": url, **more}


def ledger(url: str) -> dict[str, str]:
    return {"LEDGER": url, **SHARED}


@pytest.fixture(autouse=True)
def _without_libpq_s_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGSSLMODE", "PGHOST", "PGHOSTADDR", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)


@for_each([
    (at("http://keycloak:8080/token"), OF_TOKENS),
    (at("http://127.example/token"), OF_TOKENS),
    (at("http://localhost.example/token"), OF_TOKENS),
    (at("http://localhost:8080/token"), None),
    (at("http://127.0.0.1:8080/token"), None),
    (at("http://[::1]:8080/token"), None),
    (at("https://keycloak/token"), None),
    ({**OAUTH, "ZEEBE_INSECURE_CONNECTION": "true"}, "credentials are sent to the gateway in plaintext, where"),
    ({**BASIC, "ZEEBE_ADDRESS": "grpc://a:1"}, "credentials are sent to the gateway in plaintext, where"),
    (BASIC, None),
    (engine("http://c7", **CAMUNDA7), OF_CAMUNDA7),
    (engine("http://ann:hush@c7"), OF_CAMUNDA7),
    (engine("http://127.0.0.1:8080", **CAMUNDA7), None),
    (engine("https://c7", **CAMUNDA7), None),
    (engine("http://c7"), None),
    (ledger("postgresql://db/x"), OF_LEDGER.format("prefer")),
    *((ledger(f"postgresql://db/x?sslmode={mode}"), OF_LEDGER.format(mode))
      for mode in ("disable", "allow", "prefer", "require", "verify-ca")),
    (ledger("postgres://127.0.0.1,db/x"), OF_LEDGER.format("prefer")),
    (ledger("postgresql://localhost/x?hostaddr=192.0.2.1"), OF_LEDGER.format("prefer")),
    (ledger("postgresql://db/x?sslmode=verify-full"), None),
    (ledger("postgresql://127.0.0.1/x"), None),
    (ledger("postgresql://localhost,[::1]/x"), None),
    (ledger("postgresql:///x?host=/run/postgresql"), None),
    (ledger("postgresql://"), None),
    (ledger("rediss://host"), None),
    ({}, None),
])  # fmt: skip
def test_what_can_be_overheard_or_replaced_is_warned_about(environ: Any, warning: str | None, loaded: Any) -> None:
    found = loaded(environ).warnings
    assert len(found) == (warning is not None), found
    assert all(each.startswith(str(warning)) and "hush" not in each for each in found), found


def test_what_the_environment_says_to_postgresql_s_library_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    assert unverified("postgresql://db/x") is None
    assert unverified("postgresql://db/x?sslmode=require") == "require"
    monkeypatch.setenv("PGHOST", "db")
    monkeypatch.setenv("PGSSLMODE", "require")
    assert unverified("postgresql:///x") == "require"


async def test_check_warns_of_it_too(loaded: Any) -> None:
    settings = loaded({**at("http://keycloak.invalid/token"), "ZEEBE_ADDRESS": "127.0.0.1:1"}).settings
    nowhere = Settings(amqp=Amqp(urls=("amqp://127.0.0.1:1",)), zeebe=settings.zeebe)
    [found] = [each for each in await check(nowhere) if each.part == "connections"]
    assert (found.ok, found.warning, found.found.startswith(OF_TOKENS)) == (True, True, True)
    quiet = Settings(amqp=nowhere.amqp, zeebe=Zeebe("127.0.0.1:1"))
    assert [each for each in await check(quiet) if each.part == "connections"] == []
