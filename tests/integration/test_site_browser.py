"""The documentation site in a real browser: it fits, light and dark, wide and narrow, and draws its diagrams.

`make browser-test` runs it. The pictures are in `build/site`.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from scripts import site
from tests.cases import check_each
from tests.integration.browser import COLOURS, WIDTHS, launched, overflow

PICTURES = Path(__file__).parents[2] / "build" / "site"
PAGES = {
    "": 1, "quickstart/": 0, "concepts/": 1, "languages/": 0, "no-answer/": 1, "reliability/": 0, "performance/": 0,
    "operations/create-instance/": 0, "console/": 0,
}  # fmt: skip
"""Paths, and how many diagrams each has at least."""


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and says nothing."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the site is."""
    folder = tmp_path_factory.mktemp("project") / "site"
    site.build(folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """The browser."""
    async with launched() as browser:
        yield browser


async def test_pages_fit_and_draw_their_diagrams_light_and_dark_wide_and_narrow(
    chromium: Browser, address: str
) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)

    async def fits(colours: str, width: str) -> None:
        size = {"width": WIDTHS[width], "height": 900}
        context = await chromium.new_context(color_scheme=colours, viewport=size)
        page, strange = await context.new_page(), list[str]()
        page.on("pageerror", lambda error: strange.append(str(error)))
        page.on("request", lambda asked: strange.append(asked.url) if not asked.url.startswith(address) else None)
        for path, diagrams in PAGES.items():
            await page.goto(f"{address}{path}")
            await drawn(page, diagrams)
            assert await overflow(page) <= 0, path
            name = path.strip("/").replace("/", "-") or "home"
            await page.screenshot(path=PICTURES / f"{name}-{colours}-{width}.png")
        assert [each for each in strange if not each.startswith(("data:", "blob:"))] == []
        await context.close()

    await check_each([(colours, width) for colours in COLOURS for width in WIDTHS], fits)
    assert len(list(PICTURES.glob("home-*.png"))) == 4


async def drawn(page: Page, diagrams: int) -> None:
    """Wait until there are so many diagrams, and no text of one is left that was not drawn."""
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    if diagrams:
        await expect(page.locator("pre.mermaid")).to_have_count(0)
        assert await page.locator("div.mermaid").count() >= diagrams
