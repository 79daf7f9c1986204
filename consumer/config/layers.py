"""The layers of configuration: where texts come from, and which one wins."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import BaseSettings, DotEnvSettingsSource

from consumer.config import component as components
from consumer.config import values
from consumer.config.variables import ARGUMENTS, BY_SPELLING, FILE, VARIABLES, Variable, Variables, as_argument

NEAR = 0.86
"""How alike an unknown name must be to be taken for a misspelling; the official clients' own names stay below."""

NOT_YET = ("POLICY_FILE", "REPLY_EXCHANGE", "WORKERS")
"""Names that are reserved for settings to come."""


@dataclass(frozen=True)
class Layer:
    """One place that values come from: texts by the names they are written under."""

    name: str
    texts: Mapping[str, str | None]
    keys: Mapping[str, str] = field(default_factory=dict)
    """Under which key the place itself has a variable, where that differs from the variable's name."""

    def origin(self, spelling: str, variable: Variable) -> str:
        """Where a value came from, for people."""
        key = self.keys.get(spelling, spelling)
        return self.name if key == variable.name else f"{self.name} {key}"


@dataclass(frozen=True)
class Found:
    """The text of one variable and where it came from."""

    variable: Variable
    text: str
    origin: str

    @property
    def stripped(self) -> str:
        """The text without spaces around it, which are an accident except in a secret."""
        return self.text if self.variable.secret else self.text.strip()

    @property
    def shown(self) -> str:
        """The text without secrets."""
        return self.variable.shown(self.text)


class Loading:
    """One run of `load`: what was found, and what was wrong with it."""

    def __init__(self) -> None:
        """Begin with nothing found."""
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self.notes: list[str] = []
        self.found: dict[str, Found] = {}
        self.refused: set[str] = set()

    def pick(self, layers: list[Layer]) -> None:
        """Take each variable from the first layer that has it."""
        for variable in VARIABLES:
            for layer in layers:
                # An empty text means "not set": that is what compose files and shells make of an unset variable.
                if written := [name for name in variable.spellings if layer.texts.get(name)]:
                    self._take(variable, layer, written)
                    break

    def _take(self, variable: Variable, layer: Layer, written: list[str]) -> None:
        first, *others = written
        self.warnings += [
            f"{other}: ignored, {first} is used instead ({layer.name})"
            for other in others
            if layer.texts[other] != layer.texts[first]
        ]
        text, origin = str(layer.texts[first]), layer.origin(first, variable)
        if first.endswith(FILE) and first != variable.name:
            try:
                text = values.secret_file(text)
            except ValueError as error:
                self._refuse(variable.name, f"{first}: found {text!r} ({layer.name}); accepted: {error}")
                return
        self.found[variable.name] = Found(variable, text, origin)

    def _refuse(self, name: str, problem: str) -> None:
        self.refused.add(name)
        self.problems.append(problem)

    def parse(self) -> Variables:
        """The values of all variables; a refused one by its default, so that the others can be compared."""
        texts = {name: found.stripped for name, found in self.found.items()}
        try:
            return Variables.model_validate(texts)
        except ValidationError as error:
            wrong = {str(each["loc"][0]): each["ctx"]["error"] for each in error.errors()}
        for name, accepted in wrong.items():
            found = self.found[name]
            self._refuse(name, f"{name}: found {found.shown!r} ({found.origin}); accepted: {accepted}")
        return Variables.model_validate({name: text for name, text in texts.items() if name not in wrong})

    def layers(self, environ: Mapping[str, str], arguments: Mapping[str, str], directory: Path) -> list[Layer]:
        """Where values come from, the strongest first."""
        layers = [self._command_line(arguments), Layer("environment", environ), self._dotenv(directory / ".env")]
        for layer in layers[1:]:
            self.warnings += _misspellings(layer)
            self.problems += _without_effect(layer)
        if path := next((path for layer in layers if (path := layer.texts.get("COMPONENT_FILE"))), None):
            layers.append(self._component(Path(os.path.expanduser(path)), environ))
        return layers

    def _command_line(self, arguments: Mapping[str, str]) -> Layer:
        names = {option: ARGUMENTS.get(option, option) for option in arguments}
        for option in (option for option, name in names.items() if name not in ARGUMENTS.values()):
            near = difflib.get_close_matches(option, ARGUMENTS, n=1)
            self.problems.append(f"{option}: unknown option{f'; did you mean {near[0]}?' if near else ''}")
        texts = {names[option]: text for option, text in arguments.items()}
        return Layer("command line", texts, {name: as_argument(name) for name in texts})

    def _dotenv(self, path: Path) -> Layer:
        """The file `.env`; one of somebody else is no place to take a broker and a password from."""
        texts: Mapping[str, str | None] = {}
        try:
            if (stranger := _stranger(path)) is not None:
                self.warnings.append(f"{path}: not read; it is user {stranger}'s, and this is user {os.geteuid()}")
            elif path.is_file():
                texts = DotEnvSettingsSource(BaseSettings, path, "utf-8-sig", case_sensitive=True).env_vars
                self.notes.append(f"{path}: read")
        except (OSError, UnicodeDecodeError):
            self.problems.append(f"{path}: cannot be read; accepted: lines of the form NAME=value in UTF-8")
        return Layer(".env", texts)

    def _component(self, path: Path, environ: Mapping[str, str]) -> Layer:
        component = components.read(path, environ)
        name = f"component file {path}"
        self.problems += [f"{name}: {problem}" for problem in component.problems]
        self.warnings += [f"{name}: {warning}" for warning in component.warnings]
        return Layer(name, component.variables, component.keys)


def _stranger(path: Path) -> int | None:
    """The user that a file or the link to it belongs to, when that is not who runs the process."""
    # A link, too: whoever makes it chooses what is read.
    owners = {path.lstat().st_uid, path.stat().st_uid} if path.is_file() else set()
    return next(iter(owners - {os.geteuid()}), None)


def _without_effect(layer: Layer) -> Iterator[str]:
    """Settings that this version cannot honour; whoever relies on one must not find out later."""
    for name in NOT_YET:
        if layer.texts.get(name):
            yield f"{name}: set ({layer.name}), but this version cannot honour it; accepted: not set"


def _misspellings(layer: Layer) -> Iterator[str]:
    """Names that are nearly ours: a setting that silently has no effect is the worst kind."""
    for name in sorted(layer.texts):
        near = [] if name in BY_SPELLING else difflib.get_close_matches(name.upper(), BY_SPELLING, n=1, cutoff=NEAR)
        if near:
            yield f"{name}: no setting of this name ({layer.name}); did you mean {near[0]}?"
