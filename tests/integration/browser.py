"""Chromium for the tests that look at pages as people do; `make browser-test` installs it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, Page, async_playwright

from scripts.browser import PROGRAM

COLOURS = ("light", "dark")
WIDTHS = {"wide": 1280, "narrow": 390}


@asynccontextmanager
async def launched() -> AsyncIterator[Browser]:
    """The browser."""
    async with async_playwright() as playwright:
        # Nobody but the test chooses what it loads, and its sandbox needs rights that a container lacks.
        browser = await playwright.chromium.launch(executable_path=PROGRAM, args=["--no-sandbox"])
        yield browser
        await browser.close()


async def overflow(page: Page) -> int:
    """Pixels of the page beyond its width."""
    return int(await page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth"))
