"""A policy's file: what it may say, and every problem of one that may not."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from consumer.security.policy import PolicyError, parse, read
from consumer.security.policy_text import MAX_SIZE
from tests.cases import for_each
from zeebe_amqp.commands import COMMANDS

ALL = ", ".join(COMMANDS)
GOOD = b"version = 1\n[roles.r]\noperations = ['topology']\n[users]\nalice = ['r', 'r']\n"


def problems(text: str | bytes) -> list[str]:
    with pytest.raises(PolicyError) as refused:
        parse(text.encode() if isinstance(text, str) else text, "p.toml")
    assert str(refused.value) == "\n".join(refused.value.problems)
    return refused.value.problems


@for_each([
    ("", ["version: missing; expected version = 1"]),
    ("version = 2", ["version: found 2; expected 1"]),
    ("version = '1'", ['version: found text "1"; expected 1']),
    ("version = true", ["version: found true; expected 1"]),
    ("version = 1\nrolls = 1", ["rolls: unknown (did you mean roles?); expected version, roles, users"]),
    ("version = 1\nroles = 1", ["roles: found 1; expected a table"]),
    ("version = 1\nusers = []", ["users: found a list; expected a table"]),
    ("version = 1\nroles.r = 1", ["roles.r: found 1; expected a table"]),
    ("version = 1\n[roles.'a b']\nallow_keys = 1", ['roles."a b".allow_keys: found 1; expected true or false']),
    ("version = 1\n[roles.'']", ['roles."": expected a name of 1 to 255 bytes']),
    ("version = 1\n[roles.r]\nprocess = []",
     ["roles.r.process: unknown (did you mean processes?); expected operations, processes, messages, signals, "
      "decisions, job_types, resources, tenants, allow_keys, limits"]),
    ("version = 1\n[roles.r]\nprocesses = 'a'", ['roles.r.processes: found text "a"; expected a list of texts']),
    ("version = 1\n[roles.r]\ntenants = ['a', 2, '']",
     ["roles.r.tenants[1]: found 2; expected text of 1 to 1000 characters",
      'roles.r.tenants[2]: found text ""; expected text of 1 to 1000 characters']),
    ("version = 1\n[roles.r]\noperations = ['topology', 'create-instanc', 'x*']",
     [f'roles.r.operations[1]: unknown operation "create-instanc" (did you mean create-instance?); expected {ALL}, '
      "or a pattern such as *",
      f'roles.r.operations[2]: pattern that matches no operation "x*"; expected {ALL}, or a pattern such as *']),
    ("version = 1\n[roles.r]\nlimits = 5",
     ["roles.r.limits: found 5; expected a table such as { in_flight = 16 }"]),
    ("version = 1\n[roles.r.limits]\nin_flight = 0\nwaitin = 1\nbody = '1 TiB'\nledger_bytes = true",
     ["roles.r.limits.waitin: unknown (did you mean waiting?); expected in_flight, waiting, body, ledger_bytes",
      "roles.r.limits.in_flight: found 0; expected a whole number from 1 to 1000000",
      'roles.r.limits.body: found text "1 TiB"; expected a whole number from 1 to 8388608, as a number of bytes or a '
      'text such as "1MiB"',
      "roles.r.limits.ledger_bytes: found true; expected a whole number from 0 to 1099511627776, as a number of bytes "
      'or a text such as "1MiB"']),
    ("version = 1\n[roles.orders]\n[users]\nalice = ['order']\nbob = 'orders'",
     ['users.alice[0]: unknown role "order" (did you mean orders?); expected orders',
      'users.bob: found text "orders"; expected a list of texts']),
    ("version = 1\n[users]\nalice = ['order']",
     ['users.alice[0]: unknown role "order"; expected none, for there is no role']),
    ("version = 2\n[users]\n'a\\u001b' = 1", [  # TOML's single quotes keep the backslash
        "version: found 2; expected 1",
        'users."a\\u001b": found 1; expected a list of texts']),
])  # fmt: skip
def test_every_problem_is_named_with_its_path_what_was_found_and_what_is_accepted(
    text: str, expected: list[str]
) -> None:
    assert problems(text) == [f"p.toml: {problem}" for problem in expected]


@for_each([
    (b"version = ", "not TOML"),
    (b"version = 1\nversion = 1", "not TOML"),
    (b"\xff", "not UTF-8"),
    (b"#" * (MAX_SIZE + 1), "more than"),
    (b"a = " + b"[" * 100_000, "nested too deeply"),
    (b"version = " + b"9" * 5_000, "not TOML: Exceeds the limit"),
    (b"version = 1\n" + b"a." * 200_000 + b"a = 1", "line 2 has more than 2000 dots"),
])  # fmt: skip
def test_what_is_no_policy_at_all_is_refused_with_the_reason(text: bytes, word: str) -> None:
    [problem] = problems(text)
    assert problem.startswith("p.toml: ")
    assert word in problem


def test_a_good_file_is_read_and_known_by_the_digest_of_its_bytes(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_bytes(GOOD)
    policy = read(file)
    assert policy == parse(GOOD, "another name")
    assert policy.digest == hashlib.sha256(GOOD).hexdigest()
    assert policy.users == {"alice": ("r",)}


def test_a_byte_order_mark_does_no_harm() -> None:
    assert parse(b"\xef\xbb\xbf" + GOOD, "p").users == parse(GOOD, "p").users


def test_a_file_that_cannot_be_read_is_a_problem_like_others(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"#" * (MAX_SIZE + 1))
    for path, word in ((tmp_path / "none", "No such file"), (tmp_path, "directory"), (tmp_path / "large", "more than")):
        with pytest.raises(PolicyError) as refused:
            read(path)
        assert str(path) in str(refused.value)
        assert word in str(refused.value)


def test_sizes_may_have_units() -> None:
    limits = b"{ body = '%s', ledger_bytes = %s }"
    text = b"version = 1\n[roles.r]\nlimits = " + limits % (b"512 KiB", b"'2GiB'") + b"\n[users]\na = ['r']"
    found = parse(text, "p").limits("a")
    assert (found.body, found.ledger_bytes) == (2**19, 2**31)
