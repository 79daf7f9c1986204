"""The policy in force: another file takes its place, a broken one does not."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from consumer.security.policy import PolicyError
from consumer.security.rights import Rights
from zeebe_amqp.commands import CreateInstance, Topology
from zeebe_amqp.commands.keys import target
from zeebe_amqp.commands.target import Target

ONE = "version = 1\n[roles.r]\noperations = ['topology']\nlimits = { in_flight = 2 }\n[users]\nalice = ['r']\n"
TWO = ONE.replace("alice", "bob")


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [getattr(record, "event", "") for record in caplog.records]


async def test_the_file_is_read_again_and_a_broken_one_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    file = tmp_path / "policy.toml"
    file.write_text(ONE)
    rights = Rights(file, target)
    first = rights.decide("alice", Topology()).policy
    assert [rights.decide(user, Topology()).allowed for user in ("alice", "bob")] == [True, False]
    file.write_text(TWO + "oops = 1\n[rolls]")
    await rights.reload()
    decided = rights.decide("alice", Topology())
    assert (decided.policy, decided.allowed) == (first, True)
    file.unlink()
    await rights.reload()
    assert (rights.decide("alice", Topology()).policy, rights.limits("alice").in_flight) == (first, 2)
    file.write_text(TWO)
    await rights.reload()
    assert rights.decide("alice", Topology()).policy != first
    assert [rights.decide(user, Topology()).allowed for user in ("alice", "bob")] == [False, True]
    assert events(caplog) == ["policy.loaded", "policy.refused", "policy.refused", "policy.loaded"]
    refused = caplog.records[1]
    assert len(refused.__dict__["problems"]) == 2
    assert "rolls" in refused.getMessage()


async def test_a_link_that_points_elsewhere_is_followed(tmp_path: Path) -> None:
    for name, text in (("one", ONE), ("two", TWO)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "policy.toml").write_text(text)
    current = tmp_path / "data"
    current.symlink_to("one")
    rights = Rights(current / "policy.toml", target)
    (tmp_path / "new").symlink_to("two")
    (tmp_path / "new").rename(current)
    await rights.reload()
    assert rights.decide("bob", Topology()).allowed


def test_there_is_no_start_with_a_broken_file(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="No such file"):
        Rights(tmp_path / "none", target)


def test_warnings_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "policy.toml"
    file.write_text("version = 1\n[roles.r]\noperations = ['topology']")
    Rights(file, target)
    assert events(caplog) == ["config.warning"]
    assert "roles.r: no user has it" in caplog.text


def test_what_a_command_acts_on_is_asked_of_whoever_knows_the_engine(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(ONE)
    wider = Target(tenants=("*",))
    decided = Rights(file, lambda _: wider).decide("alice", Topology())
    assert (decided.allowed, decided.target) == (False, wider)
    assert not Rights(file, target).decide("alice", CreateInstance(bpmn_process_id="a")).allowed
