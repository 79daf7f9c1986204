"""What hosted continuous integration runs: in step with make and Compose, and allowed no more than it needs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

from scripts.pythons import VERSIONS
from tests.yaml_reader import read_yaml

ROOT = Path(__file__).parents[2]
TEXTS = {file.stem: file.read_text() for file in sorted((ROOT / ".github" / "workflows").glob("*.yml"))}
WORKFLOWS: dict[str, dict[Any, Any]] = {name: read_yaml(text) for name, text in TEXTS.items()}
JOBS = {f"{name}: {job}": content for name, each in WORKFLOWS.items() for job, content in each["jobs"].items()}
STEPS = [step for job in JOBS.values() for step in job.get("steps", [])]
COMMANDS = [step["run"] for step in STEPS if "run" in step]
COMPOSE = read_yaml((ROOT / "docker-compose.yml").read_text())["services"]
MAKEFILE = (ROOT / "Makefile").read_text()
PREPARATION = "apt-get update && apt-get install --yes git make python3"
"""What the README asks for, on a machine that has nothing."""
ON = True
"""The key `on`, a truth value in YAML 1.1."""


def test_every_command_is_a_target_of_make_with_variables_it_takes_or_brings_up_what_compose_describes() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", MAKEFILE, re.MULTILINE))
    assert COMMANDS
    for command in COMMANDS:
        words = shlex.split(re.sub(r"\$\{\{.*?\}\}", "any", command))
        for name in re.findall(r"\b([A-Z]+)=", command):
            assert re.search(rf"^({name} +\?=|export .*\b{name}\b)", MAKEFILE, re.MULTILINE), command
        if words[0] == "make":
            called = {word for word in words[1:] if "=" not in word}
            assert called, command
            assert called <= targets, command
        elif words[:2] == ["docker", "compose"]:
            assert {word for word in words[3:] if not word.startswith("-")} <= COMPOSE.keys(), command
        else:
            assert command == PREPARATION


def test_addresses_are_those_of_compose() -> None:
    default = re.compile(r"\$\{\w+:-(.*?)\}").sub(r"\1", str(COMPOSE["rabbitmq"]["environment"]))
    addressed = [job["env"] for job in JOBS.values() if "AMQP_URL" in job.get("env", {})]
    assert len(addressed) == 2
    for values in addressed:
        credentials, _, broker = values["AMQP_URL"].removeprefix("amqp://").partition("@")
        user, _, password = credentials.partition(":")
        assert default == str({"RABBITMQ_DEFAULT_USER": user, "RABBITMQ_DEFAULT_PASS": password})
        assert f"{broker}:5672" in COMPOSE["rabbitmq"]["ports"]
        assert f"{values['ZEEBE_ADDRESS']}:26500" in COMPOSE["zeebe"]["ports"]


def test_the_matrix_has_every_python_that_the_packages_name_and_the_versions_that_compose_starts() -> None:
    assert JOBS["ci: unit"]["strategy"]["matrix"]["python"] == [*VERSIONS]
    engines = JOBS["ci: engines"]
    for service, variable in (("rabbitmq", "RABBITMQ_VERSION"), ("zeebe", "ZEEBE_VERSION")):
        assert f"${{{variable}:-" in COMPOSE[service]["image"]
        assert engines["env"][variable] == f"${{{{ matrix.{service} }}}}"
    zeebes = {version.rpartition(".")[0] or version for version in engines["strategy"]["matrix"]["zeebe"]}
    assert zeebes >= {"8.5", "8.6", "8.7", "8.8", "latest"}


def test_a_workflow_may_only_read_and_a_job_writes_what_it_publishes() -> None:
    assert [workflow["permissions"] for workflow in WORKFLOWS.values()] == [{"contents": "read"}] * len(WORKFLOWS)
    assert {name: job["permissions"] for name, job in JOBS.items() if "permissions" in job} == {
        "release: publish": {"id-token": "write"},
        "release: image": {"contents": "read", "packages": "write"},
    }
    assert [name for name, text in TEXTS.items() if "secrets." in text] == []


def test_every_job_ends_and_a_newer_push_ends_an_older_check() -> None:
    assert [name for name, job in JOBS.items() if "timeout-minutes" not in job and "uses" not in job] == []
    assert WORKFLOWS["ci"]["concurrency"]["cancel-in-progress"]
    groups = [workflow["concurrency"]["group"] for workflow in WORKFLOWS.values()]
    assert len(groups) == len(set(groups)), "one that calls another would wait for itself"


def test_a_release_is_a_tag_that_was_tested_and_compared_with_the_version() -> None:
    """Nothing is built against which an advisory is known, and the list of what ships is kept."""
    assert WORKFLOWS["release"][ON] == {"push": {"tags": ["v*"]}}
    assert JOBS["release: test"]["uses"] == "./.github/workflows/ci.yml"
    assert "workflow_call" in WORKFLOWS["ci"][ON]
    [build] = [step for step in JOBS["release: dist"]["steps"] if step.get("run") == "make dist"]
    assert build["env"] == {"TAG": "${{ github.ref_name }}"}
    steps = JOBS["release: dist"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == ["make advisories", "make dist"]
    assert "build/sbom/" in [step.get("with", {}).get("path") for step in steps]
    assert "make advisories" in [step.get("run") for step in JOBS["advisories: advisories"]["steps"]]
    assert JOBS["release: publish"]["needs"] == JOBS["release: image"]["needs"] == ["test", "dist"]


def test_the_image_is_published_for_both_kinds_of_processors_with_what_it_is_made_of() -> None:
    [build] = [step["with"] for step in STEPS if step.get("uses", "").startswith("docker/build-push-action@")]
    assert build["platforms"] == "linux/amd64,linux/arm64"
    assert (build["sbom"], build["provenance"], build["push"]) == (True, "mode=max", True)


def test_actions_are_pinned_to_a_version() -> None:
    used = [step["uses"] for step in STEPS if "uses" in step]
    assert [action for action in used if not re.search(r"@(v\d+|release/v\d+)$", action)] == []
