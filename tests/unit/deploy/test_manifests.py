"""The rendered manifests: made from the chart as it is, and accepted by the servers that read them."""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import kubernetes_validate
import pytest

from scripts import chart
from tests.cases import check_all
from tests.unit.deploy.manifests import SETS, Manifest, manifests
from tests.yaml_reader import read_yaml

CRDS: dict[str, Any] = read_yaml((chart.CASES / "crds.yaml").read_text())
OLDEST = re.search(r"^kubeVersion: \">=(\d+\.\d+)", (chart.CHART / "Chart.yaml").read_text(), re.MULTILINE)[1]  # type: ignore[index]
NEWEST = chart.KUBERNETES
ALL = [(name, each) for name in SETS for each in manifests(name)]


def key(manifest: Manifest) -> str:
    """What the schemas of operators' kinds are found by."""
    return f"{manifest['apiVersion']} {manifest['kind']}"


def custom_schema(manifest: Manifest) -> dict[str, Any]:
    """The schema of an operator's kind."""
    return {
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": False,
        "properties": {
            "apiVersion": {},
            "kind": {},
            "metadata": {"$ref": "#/definitions/metadata"},
            "spec": {"type": "object", **CRDS["kinds"][key(manifest)]},
        },
        "definitions": CRDS["definitions"],
    }


def test_manifests_were_rendered_from_the_chart_as_it_is() -> None:
    assert (chart.GOLDEN / "digest").read_text() == chart.digest(), "make chart"
    rendered = {file.name for file in chart.GOLDEN.iterdir()}
    assert rendered == {f"{name}.yaml" for name in SETS} | {"refused.yaml", "digest"}


def test_kubernetes_takes_its_own_kinds() -> None:
    core = [(name, each) for name, each in ALL if key(each) not in CRDS["kinds"]]
    assert {each["kind"] for _, each in core} == {
        "ConfigMap",
        "Deployment",
        "NetworkPolicy",
        "PersistentVolumeClaim",
        "PodDisruptionBudget",
        "Service",
        "ServiceAccount",
    }

    def is_taken(_: str, manifest: Manifest) -> None:
        for version in (OLDEST, NEWEST):
            assert kubernetes_validate.validate(manifest, version, strict=True) == version

    check_all(core, is_taken)


def test_kubernetes_refuses_a_field_that_it_does_not_know() -> None:
    [deployment] = [each for name, each in ALL if name == "small" and each["kind"] == "Deployment"]
    wrong = {**deployment, "spec": {**deployment["spec"], "replica": 1}}
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(wrong, NEWEST, strict=True)


def test_operators_take_their_kinds() -> None:
    custom = [(name, each) for name, each in ALL if key(each) in CRDS["kinds"]]
    unused = CRDS["kinds"].keys() - {key(each) for _, each in custom}
    alerts = {"monitoring.coreos.com/v1 PrometheusRule"}
    assert unused == (set() if (chart.CHART / "alerts.yaml").exists() else alerts)

    def is_taken(_: str, manifest: Manifest) -> None:
        jsonschema.validate(manifest, custom_schema(manifest))

    check_all(custom, is_taken)


def test_names_are_unique_and_all_carry_the_labels_of_the_release() -> None:
    def are_unique(name: str) -> None:
        found = [(key(each), each["metadata"]["name"]) for each in manifests(name)]
        assert len(found) == len(set(found))
        labels = {
            tuple(each["metadata"]["labels"].get(f"app.kubernetes.io/{it}") for it in ("name", "instance", "version"))
            for each in manifests(name)
        }
        assert len(labels) == 1
        assert None not in labels.pop()

    check_all(SETS, are_unique)
