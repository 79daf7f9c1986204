"""What is said of the policy, the audit and the signing key: all that keeps the service from starting."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

from consumer.check import check
from consumer.config import Amqp, Settings, Zeebe
from consumer.config.values import AuditSink
from consumer.core.key_file import NAME, own_keys
from consumer.doctor.finding import Level
from consumer.doctor.rights import look_at_rights, unexamined
from tests.cases import check_each
from tests.unit.consumer.doctor.facts import OK, PROBLEM, UNSEEN, WARNING, by_subject, expect

SOUND = "version = 1\n[roles.r]\noperations = ['topology']\n[users]\nalice = ['r']\n"
MISTAKEN = SOUND + "".join(f"u{number} = []\n" for number in range(5))
BROKEN = SOUND + "".join(f"u{number} = 1\n" for number in range(5))


def settings(folder: Path, *, policy: str | None = None, mode: int | None = None, **given: Any) -> Settings:
    """Those of a service; `policy` is the text in its file, `mode` that of the file of its audit."""
    folder.mkdir()
    if policy is not None:
        given["policy_file"] = folder / "policy.toml"
        given["policy_file"].write_text(policy)
    if mode is not None:
        (folder / "audit").touch()
        (folder / "audit").chmod(mode)
        given["audit"] = AuditSink("file", str(folder / "audit"))
    return Settings(amqp=Amqp(("amqp://127.0.0.1:1",)), zeebe=Zeebe("127.0.0.1:1"), state_dir=folder, **given)


async def test_each_has_its_finding(tmp_path: Path) -> None:
    numbers = count()

    async def is_found(given: dict[str, Any], subject: str, level: Level, *words: str) -> None:
        folder = tmp_path / str(next(numbers))
        found = by_subject(await look_at_rights(settings(folder, **given)))[subject]
        expect(found, level, *words)
        assert [each.name for each in folder.iterdir()] in ([], ["policy.toml"], ["audit"]), "nothing is made"

    cases: list[Any] = [
        ({}, "policy", OK, "none", "run everything"),
        ({"policy": SOUND}, "policy", OK, "1 roles, 1 users, digest "),
        ({"policy": MISTAKEN}, "policy", WARNING, "users.u2: ", "and 2 more", "policy check"),
        ({"policy": BROKEN}, "policy", PROBLEM, "users.u2: ", "and 2 more", "does not start"),
        ({"policy_file": Path("/nowhere")}, "policy", PROBLEM, "cannot be read"),
        ({}, "audit", OK, "off"),
        ({"audit": AuditSink("stdout")}, "audit", OK, "standard output"),
        ({"mode": 0o600}, "audit", OK, "mode 0600"),
        ({"mode": 0o644}, "audit", PROBLEM, "mode 0644", "accepted: "),
        ({"audit": AuditSink("stream", "s")}, "audit", PROBLEM, "127.0.0.1:1"),
        ({}, "signing key", OK, f"{NAME}: not there yet"),
        ({"signing_keys": (b"secret" * 6, b"k" * 32)}, "signing key", OK, "2 in SIGNING_KEYS"),
    ]
    await check_each(cases, is_found)
    expect(unexamined("no answer"), UNSEEN, "no answer")


async def test_a_key_that_every_user_may_read_is_a_problem_of_check_too(tmp_path: Path) -> None:
    here = settings(tmp_path / "state")
    [key] = own_keys(here)
    found = by_subject(await look_at_rights(here))["signing key"]
    expect(found, OK, str(here.state_dir / NAME))
    (here.state_dir / NAME).chmod(0o644)
    expect(by_subject(await look_at_rights(here))["signing key"], PROBLEM, "mode 644", "does not start")
    told = {each.part: each for each in await check(here)}
    assert (told["signing key"].ok, told["policy"].ok, told["audit"].ok) == (False, True, True)
    assert key.decode() not in str(told)
