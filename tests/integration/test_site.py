"""The documentation site: it builds without a warning, its links lead somewhere, and it loads nothing from others."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from scripts import mermaid, site
from scripts.asyncapi_tools import DOCUMENT
from tests.cases import check_all
from zeebe_amqp import asyncapi
from zeebe_amqp.asyncapi.files import encode


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site."""
    folder = tmp_path_factory.mktemp("project") / "site"
    site.build(folder)
    return folder


class References(HTMLParser):
    """What a page refers to: links that people follow, and what a browser loads by itself."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.followed: list[str] = []
        self.loaded: list[str] = []
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in {"href", "src"} and value:
                (self.followed if tag == "a" else self.loaded).append(value)


def pages(built: Path) -> Iterator[tuple[str, Path]]:
    """Each page by the folder that it is in; the page of errors may stand anywhere, and links from the root."""
    for page in sorted(built.rglob("*.html")):
        if page.name != "404.html":
            yield str(page.parent.relative_to(built)), page


def test_the_site_holds_the_contract_and_its_viewer_and_all_that_they_load(built: Path) -> None:
    folder = built / "asyncapi"
    loaded = re.findall(r'(?:src|href)="([^"]+)"', (folder / "index.html").read_text())
    assert len(loaded) == 3
    assert all((folder / name).stat().st_size for name in loaded)
    shown = (folder / "document.js").read_text().removeprefix("const contract = ").removesuffix(";\n")
    assert json.loads(shown) == DOCUMENT.read_text()
    assert (folder / "viewer.LICENSE.txt").exists()
    schemas = {file.name: file.read_text() for file in (built / "schemas").iterdir()}
    assert schemas == {name: encode(schema) for name, schema in asyncapi.files().items()}


def test_every_reference_to_the_site_itself_leads_to_a_file(built: Path) -> None:
    def leads_somewhere(folder: str, page: Path) -> None:
        found = References(page)
        assert found.loaded
        for reference in (*found.followed, *found.loaded):
            parts = urlsplit(reference)
            if parts.scheme or not parts.path:
                continue
            target = (page.parent / unquote(parts.path)).resolve()
            assert (target / "index.html" if target.is_dir() else target).is_file(), reference

    check_all(pages(built), leads_somewhere)


def test_readers_load_nothing_from_elsewhere(built: Path) -> None:
    def loads_its_own(folder: str, page: Path) -> None:
        assert [each for each in References(page).loaded if urlsplit(each).netloc] == []
        assert re.findall(r"url\([\"']?https?:|@import", page.read_text()) == []

    check_all(pages(built), loads_its_own)
    for style in built.rglob("*.css"):
        assert re.findall(r"url\([\"']?(?:https?:)?//|@import", style.read_text()) == [], style


def test_a_page_with_a_diagram_has_the_script_that_draws_it_and_others_do_not(built: Path) -> None:
    script = built / "assets" / "mermaid.js"
    [bundle] = (built / "assets" / "javascripts").glob("bundle.*.js")
    wanted = re.findall(r"//unpkg\.com/mermaid@(\d+)/", bundle.read_text())
    assert wanted == [mermaid.PACKAGE.rpartition("@")[2].partition(".")[0]], "the version that the theme is made for"
    drawn = {
        folder: any((page.parent / each).resolve() == script for each in References(page).loaded)
        for folder, page in pages(built)
    }
    shown = {folder: 'class="mermaid"' in page.read_text() for folder, page in pages(built)}
    assert drawn == shown
    assert any(drawn.values())
    assert not all(drawn.values())


def test_programs_find_the_text_of_every_page_by_one_file(built: Path) -> None:
    listed = re.findall(r"^- \[.+]\((.+)\): \S", (built / "llms.txt").read_text(), re.MULTILINE)
    assert len(listed) > 30
    assert {each for each in listed if not (built / each).is_file()} == set()


def test_the_changes_of_each_version_are_a_page(built: Path) -> None:
    assert "0.1.0" in (built / "changelog" / "index.html").read_text()


def test_every_diagram_can_be_drawn() -> None:
    shown = {
        f"{page.relative_to(site.ROOT)} {number}": text
        for page in sorted((site.ROOT / "docs").rglob("*.md"))
        for number, text in enumerate(re.findall(r"```mermaid\n(.*?)```", page.read_text(), re.DOTALL), 1)
    }
    assert len(shown) > 10
    found = mermaid.problems([*shown.values(), "flowchart TD\n  a[First] --> b[Second"])
    wrong = found.pop()
    assert wrong is not None
    assert "Parse error on line 3" in wrong
    assert {name: problem for name, problem in zip(shown, found, strict=True) if problem} == {}
