"""The manifests that `make chart` rendered, as the tests look at them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, TypeAlias

from scripts import chart
from tests.yaml_reader import read_all_yaml, read_yaml

Manifest: TypeAlias = dict[str, Any]

SETS = sorted(file.stem for file in chart.VALUES.iterdir())
"""The sets of values."""


@cache
def manifests(name: str) -> list[Manifest]:
    """Everything that is rendered with a set of values; not to be changed."""
    text = (chart.GOLDEN / f"{name}.yaml").read_text()
    return [each for each in read_all_yaml(text) if each]


def of_kind(name: str, kind: str) -> list[Manifest]:
    """What is rendered of one kind."""
    return [each for each in manifests(name) if each["kind"] == kind]


def one(name: str, kind: str) -> Manifest:
    """The only one of a kind."""
    [found] = of_kind(name, kind)
    return found


def everywhere(kind: str) -> Iterator[tuple[str, Manifest]]:
    """All of one kind, with the sets that they come from."""
    return ((name, each) for name in SETS for each in of_kind(name, kind))


def pod(name: str) -> Manifest:
    """The pod of the deployment: its specification."""
    spec: Manifest = one(name, "Deployment")["spec"]["template"]["spec"]
    return spec


def container(name: str) -> Manifest:
    """The only container of the pod."""
    [found] = pod(name)["containers"]
    return dict(found)


def values(name: str) -> Manifest:
    """A set of values, over the chart's own."""
    return merge(defaults(), read_yaml((chart.VALUES / f"{name}.yaml").read_text()))


@cache
def defaults() -> Manifest:
    """The values of the chart; not to be changed."""
    own: Manifest = read_yaml((chart.CHART / "values.yaml").read_text())
    return own


def merge(base: Manifest, over: Manifest) -> Manifest:
    """Values over others, as Helm merges them."""
    nested = {name: merge(base[name], each) for name, each in over.items() if isinstance(each, dict) and base.get(name)}
    return {**base, **over, **nested}
