"""The page about Kubernetes: its values and its output are those of the chart."""

from __future__ import annotations

import re

import jsonschema

from scripts import chart
from tests.cases import check_all
from tests.unit.deploy.manifests import defaults, merge
from tests.unit.deploy.test_values import REFUSED, SCHEMA
from tests.yaml_reader import read_yaml

PAGE = (chart.ROOT / "docs" / "kubernetes.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"helm (?:template|install|upgrade --install) commands deploy/helm/zeebe-amqp ((?:.*\\\n)*.*)")


def output(of: str) -> list[str]:
    """The lines below the command that contains a text."""
    [found] = [text for _, text in BLOCKS if text.startswith("$ ") and of in text.partition("\n")[0]]
    return [line for line in found.splitlines()[1:] if line != "…"]


def test_the_values_of_the_page_are_the_ones_that_are_rendered() -> None:
    shown = [text for language, text in BLOCKS if language == "yaml"]
    rendered = {name: (chart.VALUES / f"{name}.yaml").read_text() for name in ("production", "keda")}
    assert {*rendered.values()} < {*shown}

    def are_values(text: str) -> None:
        jsonschema.validate(merge(defaults(), read_yaml(text)), SCHEMA)

    check_all(shown, are_values)


def test_the_output_of_the_page_is_what_helm_prints() -> None:
    manifest = (chart.GOLDEN / "production.yaml").read_text().splitlines()
    shown = output("--values production.yaml")
    assert len(shown) > 10
    places = [
        manifest.index(line)
        for line in shown
        if not line.startswith(("metadata:", "spec:", "  name:", "              valueFrom"))
    ]
    assert places == sorted(places)
    assert set(shown) <= set(manifest)
    assert output("--set replicas=2") == REFUSED["two replicas with a file"]
    assert output("--set settings.CONCURENCY=32") == REFUSED["a setting that does not exist"]


def test_the_commands_of_the_page_set_values_that_exist() -> None:
    given = COMMAND.findall(PAGE)
    assert len(given) == 5
    paths = {path for options in given for path in re.findall(r"--set ([\w.]+)=", options)} - {"settings.CONCURENCY"}

    def exists(path: str) -> None:
        value = defaults()
        for name in path.split("."):
            value = value[name]

    check_all(sorted(paths), exists)
