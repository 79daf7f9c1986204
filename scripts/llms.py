"""`llms.txt` of the documentation site: its pages for readers that are programs (https://llmstxt.org).

It follows the menu: a heading for each tab, and each page with its title, its text and its first sentence. The pages in
the folder of a page's own name follow it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import yaml

Menu: TypeAlias = Sequence[Mapping[str, Any]]
"""Titles with pages or with further menus."""


class Page(NamedTuple):
    """A page of the menu."""

    tab: str
    path: str
    """In docs/."""


class _Loader(yaml.SafeLoader):
    """Reads settings that name functions of Python, without importing them."""


_Loader.add_multi_constructor("tag:yaml.org,2002:python/name:", lambda loader, suffix, node: suffix)


def settings(file: Path) -> dict[str, Any]:
    """What `mkdocs.yml` says."""
    read: dict[str, Any] = yaml.load(file.read_text(), _Loader)  # a SafeLoader
    return read


def pages(menu: Menu) -> Iterator[Page]:
    """The pages of the menu, in order."""
    for entry in menu:
        [(tab, below)] = entry.items()
        yield from (Page(tab, path) for path in _leaves(below))


def _leaves(menu: Menu) -> Iterator[str]:
    for entry in menu:
        [below] = entry.values()
        if isinstance(below, str):
            yield below
        else:
            yield from _leaves(below)


def title(text: str) -> str:
    """The heading of a page."""
    return text.partition("\n")[0].removeprefix("# ")


def opening(text: str) -> str:
    """The first sentence of a page, as plain text in one line; empty when the page begins with something else."""
    body = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL).partition("\n")[2].lstrip("\n")
    paragraph = body.partition("\n\n")[0]
    if not paragraph or paragraph.startswith(("```", "|", "- ", "#", "!", "<", "1. ", "===")):
        return ""
    plain = " ".join(re.sub(r"!?\[([^]]+)]\([^)]+\)", r"\1", paragraph).split())
    return re.split(r"(?<=\.) |: |:$", plain)[0]


def index(file: Path, docs: Path) -> str:
    """The text of `llms.txt` for the menu of these settings and the pages in this folder."""
    read = settings(file)
    lines = [f"# {read['site_name']}", "", f"> {read['site_description']}"]
    tab = ""
    for page in pages(read["nav"]):
        if page.tab != tab:
            tab = page.tab
            lines += ["", f"## {tab}", ""]
        parts = sorted((docs / page.path).with_suffix("").glob("*.md"))
        for file in (docs / page.path, *parts):
            text = file.read_text()
            lines.append(f"- [{title(text)}]({file.relative_to(docs)}): {opening(text)}")
    return "\n".join(lines) + "\n"
