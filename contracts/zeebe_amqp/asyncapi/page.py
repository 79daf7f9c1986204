"""The AsyncAPI document as text that people can read, too."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from zeebe_amqp.asyncapi.document import document

__all__ = ["plain", "text"]


WIDTH: Final = 120
"""Characters of a line, unless the text has none of its own."""


def text() -> str:
    """The document as YAML.

    Raises:
        ImportError: PyYAML is not installed; the text says which extra brings it.
    """
    try:
        import yaml
    except ModuleNotFoundError as missing:
        raise ImportError("YAML needs the extra `asyncapi`: pip install 'zeebe-amqp[asyncapi]'") from missing
    made = yaml.dump(plain(document()), Dumper=_dumper(), sort_keys=False, allow_unicode=True, width=WIDTH)
    return str(made)


def plain(value: Any) -> Any:
    """A copy without enums, and in which nothing is there twice: YAML would write a reference to the first."""
    match value:
        case dict():
            return {str(name): plain(each) for name, each in value.items()}
        case list() | tuple():
            return [plain(each) for each in value]
        case str():
            return str(value)
    return value


@cache
def _dumper() -> Any:
    """Writes texts of several lines as they are."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """The usual one, with a style of its own for long texts."""

    def represent(dumper: Any, value: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, represent)
    return Dumper
