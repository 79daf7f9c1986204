"""The values of the chart: known, checked, and refused with a message that names them."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import jsonschema

from consumer.config import VARIABLES
from scripts import chart
from tests.cases import check_all
from tests.unit.deploy.manifests import SETS, Manifest, defaults, merge, values
from tests.yaml_reader import read_yaml

SCHEMA: dict[str, Any] = json.loads(chart.SCHEMA.read_text())
WRONG: dict[str, Any] = read_yaml(chart.WRONG.read_text())
REFUSED: dict[str, list[str]] = read_yaml((chart.GOLDEN / "refused.yaml").read_text())


def is_valid(given: Manifest) -> bool:
    """Whether the schema takes values."""
    return bool(jsonschema.validators.validator_for(SCHEMA)(SCHEMA).is_valid(given))


def objects(schema: dict[str, Any], own: Any, path: str = "") -> Iterator[tuple[str, set[str], set[str]]]:
    """Every closed object of the schema: its path, the names in the schema, the names among the chart's own values."""
    if schema.get("additionalProperties") is False and path != "/settings":
        yield path, set(schema["properties"]), set(own)
    for name, each in schema.get("properties", {}).items():
        if each.get("type") == "object" and isinstance(own, dict) and name in own:
            yield from objects(each, own[name], f"{path}/{name}")


def test_the_chart_has_the_version_of_the_packages() -> None:
    version = tomllib.loads((chart.ROOT / "pyproject.toml").read_text())["project"]["version"]
    about = read_yaml((chart.CHART / "Chart.yaml").read_text())
    assert (about["version"], about["appVersion"]) == (version, version)


def test_the_schema_knows_the_settings_of_the_service() -> None:
    assert chart.SCHEMA.read_text() == chart.schema(), "make chart"
    known = SCHEMA["properties"]["settings"]["properties"]
    assert {"CONCURRENCY", "AMQP_CA", "CAMUNDA_CA_CERTIFICATE_PATH"} <= known.keys()
    assert not {"LEDGER", "LEDGER_FILE", "CAMUNDA_GRPC_ADDRESS"} & known.keys()
    assert {each.name for each in VARIABLES} >= chart.MANAGED


def test_the_schema_has_every_value_and_no_other() -> None:
    found = list(objects(SCHEMA, defaults()))
    assert len(found) > 10
    for path, named, own in found:
        assert named - {"global"} == own, path


def test_every_value_is_explained() -> None:
    """A comment above each value of the first level, or above one of its own, unless its name is Kubernetes'."""
    plain = {"imagePullSecrets", "nameOverride", "fullnameOverride", "resources", "podAnnotations", "podLabels"}
    plain |= {"nodeSelector", "tolerations", "affinity", "priorityClassName", "serviceAccount"}
    text = (chart.CHART / "values.yaml").read_text()
    blocks = {name: block for block, name in re.findall(r"((?:^#.*\n)*^(\w+):.*\n(?:^ .*\n)*)", text, re.MULTILINE)}
    assert blocks.keys() == defaults().keys()
    assert {name for name, block in blocks.items() if "#" not in block} <= plain


def test_right_values_are_taken() -> None:
    def are_taken(name: str) -> None:
        jsonschema.validate(values(name), SCHEMA)

    assert is_valid(defaults())
    check_all(SETS, are_taken)


def test_wrong_values_are_refused_and_named() -> None:
    assert REFUSED.keys() == WRONG.keys()

    def is_refused(name: str) -> None:
        told = " ".join(REFUSED[name])
        assert WRONG[name]["says"] in told, told
        by_template = "execution error" in told
        assert is_valid(merge(defaults(), WRONG[name]["values"])) == by_template

    check_all([*WRONG], is_refused)


def test_every_refusal_of_the_templates_is_tried() -> None:
    """Of each text of theirs, what comes before the first thing that is filled in."""
    helpers = (chart.CHART / "templates" / "_helpers.tpl").read_text()
    texts = re.findall(r'fail (?:\(printf )?"([^"%]+)', helpers)
    assert len(texts) == helpers.count("{{- fail ") - helpers.count('fail (printf "%s')
    told = " ".join(line for lines in REFUSED.values() for line in lines)
    assert [text for text in texts if text not in told] == []
