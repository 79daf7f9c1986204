"""The Helm chart: renders the manifests that the tests look at, and checks the chart; `python -m scripts.chart`.

Helm takes minutes to compile, so the tests do not run it: they compare the digest of what the manifests are made from.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from consumer.config import VARIABLES
from scripts import golang
from scripts.process import ServerError

ROOT = Path(__file__).parents[1]
CHART = ROOT / "deploy" / "helm" / "zeebe-amqp"
SCHEMA = CHART / "values.schema.json"
CASES = ROOT / "tests" / "unit" / "deploy"
VALUES = CASES / "values"
"""Sets of values, a manifest is rendered from each."""
WRONG = CASES / "wrong.yaml"
"""Sets of values that are refused, by name."""
GOLDEN = CASES / "golden"
TOOL = Path(__file__).parent / "helm"
KUBERNETES = "1.37"
"""The version that is rendered for; a Helm that was not released as a binary takes an old one."""
FOR = ["--kube-version", KUBERNETES]

MANAGED = {
    "AMQP_QUEUES",
    "HTTP_ADDRESS",
    "LEDGER",
    "LOG_FORMAT",
    "SHUTDOWN_GRACE",
    "STATE_DIR",
    "ZEEBE_ADDRESS",
    "ZEEBE_INSECURE_CONNECTION",
}
"""Settings that the chart makes from values of their own."""
OTHERS = "^(OTEL_[A-Z0-9_]+|(grpc|https?|all|no)_proxy|(HTTPS?|ALL|NO)_PROXY)$"
"""What the service and its libraries read besides their settings."""
TEXT = {"type": ["string", "number", "boolean"]}


def settings() -> dict[str, Any]:
    """The schema of the value `settings`."""
    known = {name: each.meaning for each in VARIABLES if each.name not in MANAGED for name in each.spellings}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: {"description": known[name], **TEXT} for name in sorted(known)},
        "patternProperties": {OTHERS: TEXT},
    }


def secrets() -> list[str]:
    """The names that the value `secrets.keys` may have: settings that may be in a file, too."""
    confidential = [each for each in VARIABLES if (each.secret or each.file) and each.name not in MANAGED - {"LEDGER"}]
    return sorted({name for each in confidential for name in (each.name, *each.aliases)})


def schema() -> str:
    """The schema of the values, with the settings as the service knows them."""
    content: dict[str, Any] = json.loads(SCHEMA.read_text())
    properties = content["properties"]
    properties["settings"] = settings()
    properties["secrets"]["properties"]["keys"]["items"] = {"enum": secrets()}
    return json.dumps(content, indent=2) + "\n"


def digest() -> str:
    """One number for everything that the manifests are made from."""
    files = [*CHART.rglob("*"), *VALUES.iterdir(), WRONG, TOOL / "go.mod"]
    lines = (
        f"{file.relative_to(ROOT)} {hashlib.sha256(file.read_bytes()).hexdigest()}" for file in files if file.is_file()
    )
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest() + "\n"


def helm(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run Helm, compiled when it is missing; `given` is its standard input.

    Raises:
        ServerError: it could not be compiled.
    """
    program = golang.built(TOOL, "helm.sh/helm/v3/cmd/helm", "helm") / "helm"
    return subprocess.run([program, *arguments], check=False, capture_output=True, text=True, input=given)


def rendered(values: str) -> subprocess.CompletedProcess[str]:
    """What Helm says about the chart with some values."""
    return helm("template", "commands", str(CHART), "--namespace", "orders", *FOR, "--values", "-", given=values)


def golden() -> Iterator[tuple[str, str]]:
    """Every file of the golden folder, with its content.

    Raises:
        ServerError: Helm refuses what it should take, or the reverse.
    """
    for file in sorted(VALUES.iterdir()):
        done = rendered(file.read_text())
        if done.returncode:
            raise ServerError(f"{file.name} was refused:\n{done.stderr}")
        yield file.name, done.stdout
    yield "refused.yaml", yaml.safe_dump(refusals(), width=1000, sort_keys=False)
    yield "digest", digest()


def refusals() -> dict[str, list[str]]:
    """What Helm says about each set of wrong values, in lines.

    Raises:
        ServerError: it takes one.
    """
    told = {}
    for name, case in yaml.safe_load(WRONG.read_text()).items():
        done = rendered(yaml.safe_dump(case["values"]))
        if not done.returncode:
            raise ServerError(f"{WRONG.name}: {name} was taken")
        told[name] = [line.strip() for line in done.stderr.splitlines() if line and not line.startswith("Use --debug")]
    return told


def lint() -> str:
    """What `helm lint` says about the chart with each set of values.

    Raises:
        ServerError: it finds something.
    """
    values = [argument for file in sorted(VALUES.iterdir()) for argument in ("--values", str(file))]
    told = ""
    for each in range(0, len(values), 2):
        done = helm("lint", "--strict", *FOR, str(CHART), *values[each : each + 2])
        if done.returncode:
            raise ServerError(f"helm lint with {values[each + 1]}:\n{done.stdout}{done.stderr}")
        told += done.stdout
    return told


def main() -> int:
    """Make schema and manifests anew; the exit status."""
    try:
        SCHEMA.write_text(schema())
        lint()
        files = dict(golden())
    except ServerError as problem:
        print(f"make chart: {problem}", file=sys.stderr)
        return 1
    shutil.rmtree(GOLDEN, ignore_errors=True)
    GOLDEN.mkdir()
    for name, content in files.items():
        (GOLDEN / name).write_text(content)
    print(f"helm lint found nothing; {len(files)} files in {GOLDEN.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
