"""The layers of configuration: where texts come from, which one wins, and how their users name them."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from consumer.config import component, values
from consumer.config.variables import BY_SPELLING, FILE, VARIABLES, Values, Variable, as_argument
from zeebe_amqp.amqp.address import shows_password

__all__ = [
    "Found",
    "Given",
    "Layer",
    "Report",
    "read_layers",
    "take",
]

NEAR: Final = 0.86
"""How alike an unknown name must be to be taken for a misspelling; the official clients' own names stay below."""


IGNORED: Final[Mapping[str, str]] = MappingProxyType(
    dict.fromkeys(("ZEEBE_CLIENT_CONFIG_PATH", "CAMUNDA_CLIENT_CONFIG_PATH"), component.IN_MEMORY)
)
"""Names of the official clients' that have no meaning here, and why not."""


@dataclass
class Report:
    """What is to be told about a configuration."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)
    """Variables that were given and have no text: a secret that is not there."""


@dataclass(frozen=True)
class Layer:
    """One place that values come from: texts by the names of variables."""

    name: str
    texts: Mapping[str, str | None]
    keys: Mapping[str, str] = field(default_factory=dict)
    """What the place itself calls a variable, where that differs."""
    file: str = ""
    """The file that this is, if it is one."""

    def key(self, spelling: str) -> str:
        """What this place calls a variable."""
        return self.keys.get(spelling, spelling)

    def written(self, spelling: str) -> str:
        """A variable as its user writes it here; "" stands for the place itself."""
        return " in ".join(filter(None, (self.key(spelling), self.file)))


@dataclass(frozen=True)
class Found:
    """The text of one variable and where it came from."""

    variable: Variable
    text: str
    layer: Layer
    spelling: str

    @property
    def written(self) -> str:
        """The variable as its user wrote it."""
        return self.layer.written(self.spelling)

    @property
    def origin(self) -> str:
        """Where the text came from, for people."""
        key = self.layer.key(self.spelling)
        return self.layer.name if key == self.variable.name else f"{self.layer.name} {key}"

    def read(self) -> Found:
        """This, or the content of the file that a `_FILE` form names; ValueError says why it has none."""
        if self.spelling == self.variable.name or not self.spelling.endswith(FILE):
            return self
        try:
            return replace(self, text=values.secret_file(self.text))
        except ValueError as error:
            raise ValueError(f"{self.written}: found {self.text!r}; accepted: {error}") from error

    def parse(self) -> Any:
        """The value; ValueError says, in the words of who wrote the text, why it is none."""
        try:
            # Spaces around a text are an accident, except in a secret.
            return self.variable.parse(self.text if self.variable.secret else self.text.strip())
        except ValueError as error:
            raise ValueError(f"{self.written}: found {self.variable.shown(self.text)!r}; accepted: {error}") from error


@dataclass(frozen=True)
class Given:
    """What was given; a refused value is its default here, so that the others can be compared."""

    values: Values
    found: Mapping[str, Found]
    accepted: Set[str]
    refused: Set[str]

    def written(self, name: str, beside: str = "") -> str:
        """A variable as its user wrote it, or one that is missing as the user of the one `beside` it would."""
        if name in self.found:
            return self.found[name].written
        return self.found[beside].layer.written(name) if beside in self.found else name

    def key(self, name: str, beside: str) -> str:
        """The same without the file."""
        if name in self.found:
            return self.found[name].layer.key(self.found[name].spelling)
        return self.found[beside].layer.key(name) if beside in self.found else name


def take(layers: list[Layer], report: Report) -> Given:
    """The value of each variable from the first layer that has it."""
    parsed: dict[str, Any] = {}
    found: dict[str, Found] = {}
    for variable in VARIABLES:
        if (each := _find(variable, layers, report)) is None:
            continue
        found[variable.name] = each
        try:
            found[variable.name] = each = each.read()
            parsed[variable.name] = each.parse()
        except ValueError as error:
            report.problems.append(str(error))
    return Given(Values(**parsed), found, parsed.keys(), report.unread | found.keys() - parsed.keys())


def _find(variable: Variable, layers: list[Layer], report: Report) -> Found | None:
    for layer in layers:
        # An empty text means "not set": that is what compose files and shells make of an unset variable.
        if written := [name for name in variable.spellings if layer.texts.get(name)]:
            report.warnings += _ignored(written, layer)
            return Found(variable, str(layer.texts[written[0]]), layer, written[0])
    return None


def _ignored(written: list[str], layer: Layer) -> Iterator[str]:
    first, *others = written
    for other in others:
        if layer.texts[other] != layer.texts[first]:
            yield f"{layer.written(other)}: ignored, {layer.written(first)} is used instead"


def read_layers(
    environ: Mapping[str, str], arguments: Mapping[str, str], directory: Path, report: Report
) -> list[Layer]:
    """Where values come from, the strongest first."""
    exposed = {spelling for spelling, text in arguments.items() if shows_password(text)}
    kept = {spelling: text for spelling, text in arguments.items() if spelling not in exposed}
    command_line = Layer("command line", kept, {name: as_argument(name) for name in BY_SPELLING})
    layers = [command_line, Layer("environment", environ), _dotenv(directory / ".env", report)]
    for spelling in sorted(exposed):
        report.problems.append(_shown_to_all(command_line, spelling, arguments[spelling]))
        report.unread.add(BY_SPELLING[spelling].name)
    for layer in layers[1:]:
        report.warnings += _misspellings(layer)
    if (file := _find(BY_SPELLING["COMPONENT_FILE"], layers, report)) is not None:
        layers.append(_component(file, environ, report))
    return layers


def _dotenv(path: Path, report: Report) -> Layer:
    """The file `.env`; one of somebody else is no place to take a broker and a password from."""
    texts: Mapping[str, str | None] = {}
    try:
        if (stranger := _stranger(path)) is not None:
            report.warnings.append(f"{path}: not read; it is user {stranger}'s, and this is user {os.geteuid()}")
        elif path.is_file():
            from dotenv import dotenv_values

            texts = dotenv_values(path, encoding="utf-8-sig")
            report.notes.append(f"{path}: read")
    except (OSError, UnicodeDecodeError):
        report.problems.append(f"{path}: cannot be read; accepted: lines of the form NAME=value in UTF-8")
    return Layer(".env", texts, file=".env")


def _stranger(path: Path) -> int | None:
    """The user that a file or the link to it belongs to, when that is not who runs the process."""
    # A link, too: whoever makes it chooses what is read.
    owners = {path.lstat().st_uid, path.stat().st_uid} if path.is_file() else set()
    return next(iter(owners - {os.geteuid()}), None)


def _component(file: Found, environ: Mapping[str, str], report: Report) -> Layer:
    path = Path(os.path.expanduser(file.text.strip()))
    read = component.Component()
    try:
        read = component.read(path, environ)
    except ValueError as error:
        report.problems.append(f"{file.written}: found {file.text!r}; accepted: {error}")
    keys = {name: key for names in component.KEYS.values() for key, name in names.items()}
    layer = Layer(f"component file {path}", read.variables, {**keys, **read.keys}, str(path))
    report.problems += (f"{layer.written(key)}: {problem}" for key, problem in read.problems)
    report.warnings += (f"{layer.written(key)}: {warning}" for key, warning in read.warnings)
    report.unread |= read.unread
    return layer


def _shown_to_all(command_line: Layer, spelling: str, text: str) -> str:
    """A password on the command line, which shells and logs keep, too."""
    variable = BY_SPELLING[spelling]
    file = f" or {as_argument(variable.name + FILE)}" if variable.file else ""
    return (
        f"{command_line.written(spelling)}: found {variable.shown(text)!r}; accepted: no password here, where every "
        f"user of the machine can read it: use the variable {variable.name}{file}"
    )


def _misspellings(layer: Layer) -> Iterator[str]:
    """Names that are nearly ours, or others' and not ours: a setting that silently has no effect is the worst kind."""
    for name in sorted(layer.texts):
        if name in IGNORED:
            yield f"{layer.written(name)}: no effect; {IGNORED[name]}"
            continue
        near = [] if name in BY_SPELLING else difflib.get_close_matches(name.upper(), BY_SPELLING, n=1, cutoff=NEAR)
        if near:
            yield f"{layer.written(name)}: no setting of this name; did you mean {near[0]}?"
