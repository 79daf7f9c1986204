"""One thing that ships or is fetched."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from scripts.licences import terms

EXCEPTIONS = {
    r"io\.camunda:[\w-]+": "the engine in memory, and the protocol from which the gRPC messages are generated",
    r"net\.jcip:jcip-annotations": "four annotations under CC-BY-2.5 that the engine in memory brings",
    r"camunda/zeebe \(image\)": "the image of the engine, which docker-compose.yml names and its user fetches",
}
"""What development fetches although it is not open source, as patterns of names, and what it is. None of it ships."""
TITLES = ("what", "version", "licence", "ships / development")


@dataclass(frozen=True)
class Artefact:
    """Something with a licence; `licence` is one text as of `terms.join`."""

    name: str
    version: str
    licence: str
    ships: bool = False

    @property
    def row(self) -> tuple[str, str, str, str]:
        """What `make licences` prints of it."""
        return self.name, self.version, self.licence or "says nothing", "ships" if self.ships else "development"

    @property
    def open(self) -> bool:
        """Whether it is open source."""
        return terms.is_open(self.licence)


def table(artefacts: Iterable[Artefact]) -> str:
    """A table of them, in Markdown."""
    rows = (TITLES, ("---",) * len(TITLES), *(each.row for each in artefacts))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
