"""What hosted continuous integration runs: valid, in step with make and Compose, and allowed no more than it needs."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from scripts.pythons import VERSIONS
from tests.cases import check_all

ROOT = Path(__file__).parents[2]
FILES = {file.stem: file for file in sorted((ROOT / ".github" / "workflows").glob("*.yml"))}
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
PREPARATION = "apt-get update && apt-get install --yes git make python3"
"""What the README asks for, on a machine that has nothing."""


def load(name: str) -> dict[str, Any]:
    """A workflow; its key `on`, a truth value in YAML 1.1, by that name."""
    workflow = yaml.safe_load(FILES[name].read_text())
    return {"on" if key is True else key: value for key, value in workflow.items()}


def jobs() -> Iterator[tuple[str, dict[str, Any]]]:
    """All jobs, with their names."""
    for name in FILES:
        for job, content in load(name)["jobs"].items():
            yield f"{name}: {job}", content


def commands() -> list[str]:
    """Everything that is run."""
    return [step["run"] for _, job in jobs() for step in job.get("steps", []) if "run" in step]


def settings(job: dict[str, Any]) -> dict[str, str]:
    """The environment of a job."""
    return {name: str(value) for name, value in job.get("env", {}).items()}


def test_a_workflow_is_valid_by_the_schema_of_workflows() -> None:
    path = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "github-workflows.json"
    schema = json.loads(path.read_text())

    def is_valid(name: str) -> None:
        jsonschema.validate(load(name), schema)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**load(name), "jobs": {"a": {"runs-on": "ubuntu-latest", "step": []}}}, schema)

    check_all([*FILES], is_valid)


def test_every_command_is_a_target_of_make_or_brings_up_what_compose_describes() -> None:
    assert commands()
    for command in commands():
        words = shlex.split(re.sub(r"\$\{\{.*?\}\}", "any", command))
        if words[0] == "make":
            called = [word for word in words[1:] if "=" not in word]
            assert called, command
            assert set(called) <= TARGETS, command
        elif words[:2] == ["docker", "compose"]:
            named = {word for word in words[3:] if not word.startswith("-")}
            assert named <= COMPOSE.keys(), command
        else:
            assert command == PREPARATION


def test_the_targets_take_what_the_workflows_give_them() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for command in commands():
        for name in re.findall(r"\b([A-Z]+)=", command):
            assert re.search(rf"^({name} +\?=|export .*\b{name}\b)", makefile, re.MULTILINE), command


def test_addresses_are_those_of_compose() -> None:
    default = re.compile(r"\$\{\w+:-(.*?)\}").sub(r"\1", str(COMPOSE["rabbitmq"]["environment"]))
    addressed = [settings(job) for _, job in jobs() if "AMQP_URL" in settings(job)]
    assert len(addressed) == 2
    for values in addressed:
        credentials, _, broker = values["AMQP_URL"].removeprefix("amqp://").partition("@")
        user, _, password = credentials.partition(":")
        assert default == str({"RABBITMQ_DEFAULT_USER": user, "RABBITMQ_DEFAULT_PASS": password})
        assert f"{broker}:5672" in COMPOSE["rabbitmq"]["ports"]
        assert f"{values['ZEEBE_ADDRESS']}:26500" in COMPOSE["zeebe"]["ports"]


def test_compose_starts_the_versions_of_the_matrix() -> None:
    engines = load("ci")["jobs"]["engines"]
    for service, variable in (("rabbitmq", "RABBITMQ_VERSION"), ("zeebe", "ZEEBE_VERSION")):
        assert f"${{{variable}:-" in COMPOSE[service]["image"]
        assert settings(engines)[variable] == f"${{{{ matrix.{service} }}}}"
    zeebes = {version.rpartition(".")[0] or version for version in engines["strategy"]["matrix"]["zeebe"]}
    assert zeebes >= {"8.5", "8.6", "8.7", "8.8", "latest"}


def test_the_unit_tests_run_on_every_python_that_the_packages_name() -> None:
    assert load("ci")["jobs"]["unit"]["strategy"]["matrix"]["python"] == [*VERSIONS]


def test_a_workflow_may_only_read_and_a_job_writes_what_it_publishes() -> None:
    def may_only_read(name: str) -> None:
        assert load(name)["permissions"] == {"contents": "read"}
        allowed = {"publish": {"id-token": "write"}, "image": {"contents": "read", "packages": "write"}}
        more = {job: content["permissions"] for job, content in load(name)["jobs"].items() if "permissions" in content}
        assert more == (allowed if name == "release" else {})
        assert "secrets." not in FILES[name].read_text()

    check_all([*FILES], may_only_read)


def test_every_job_ends_and_a_newer_push_ends_an_older_check() -> None:
    endless = [name for name, job in jobs() if "timeout-minutes" not in job and "uses" not in job]
    assert endless == []
    assert load("ci")["concurrency"]["cancel-in-progress"]
    groups = [load(name)["concurrency"]["group"] for name in FILES]
    assert len(groups) == len(set(groups)), "one that calls another would wait for itself"


def test_a_release_is_a_tag_that_was_tested_and_compared_with_the_version() -> None:
    release = load("release")
    assert release["on"] == {"push": {"tags": ["v*"]}}
    assert release["jobs"]["test"]["uses"] == f"./{FILES['ci'].relative_to(ROOT)}"
    assert "workflow_call" in load("ci")["on"]
    [build] = [step for step in release["jobs"]["dist"]["steps"] if step.get("run") == "make dist"]
    assert build["env"] == {"TAG": "${{ github.ref_name }}"}
    for job in ("publish", "image"):
        assert release["jobs"][job]["needs"] == ["test", "dist"]


def test_the_image_is_published_for_both_kinds_of_processors_with_what_it_is_made_of() -> None:
    steps = load("release")["jobs"]["image"]["steps"]
    [build] = [step["with"] for step in steps if step.get("uses", "").startswith("docker/build-push-action@")]
    assert build["platforms"] == "linux/amd64,linux/arm64"
    assert (build["sbom"], build["provenance"], build["push"]) == (True, "mode=max", True)


def test_actions_are_pinned_to_a_version() -> None:
    used = [step["uses"] for _, job in jobs() for step in job.get("steps", []) if "uses" in step]
    assert [action for action in used if not re.search(r"@(v\d+|release/v\d+)$", action)] == []
