"""The console in a real browser: by keyboard, as a screen reader is told of it, light and dark, wide and narrow.

`make browser-test` runs it. The pictures are in `build/console`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from consumer.console.token import NAME
from scripts.rabbitmq import RabbitMQ
from tests.cases import check_each
from tests.integration.browser import COLOURS, WIDTHS, launched, overflow
from tests.integration.dead_letter_queue import DeadLetterQueue
from tests.integration.load import CREATE
from tests.integration.service import ConsumerSetup, create, running_service
from zeebe_amqp import CreateInstance, NotFound, wire
from zeebe_amqp.testing import fail

SETTINGS = {"CONSOLE": "on", "SHUTDOWN_GRACE": "1s", "AMQP_QUEUES": "zeebe.commands,zeebe.polls"}
PICTURES = Path(__file__).parents[2] / "build" / "console"
HOSTILE = '"><img src=x onerror=alert(1)><script>alert(2)</script>'
GONE = "Command 'CREATE' rejected with code 'NOT_FOUND': no process 'order'"
NAMED = {"button", "link", "textbox", "checkbox", "spinbutton", "table", "region", "navigation", "columnheader"}
"""Roles that mean nothing to a listener without a name."""
CONTRAST = """() => {
  const light = (text) => {
    const [r, g, b] = text.match(/[\\d.]+/g).map(Number).slice(0, 3).map((each) => each / 255)
      .map((each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = getComputedStyle(each).backgroundColor;
      if (!/rgba\\(.*, 0\\)/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const poor = [];
  for (const element of document.body.querySelectorAll("*")) {
    const text = [...element.childNodes].filter((each) => each.nodeType === 3).map((each) => each.data.trim()).join("");
    if (!text || !element.checkVisibility()) continue;
    const [one, other] = [light(getComputedStyle(element).color), light(behind(element))].sort((a, b) => b - a);
    const contrast = (one + 0.05) / (other + 0.05);
    if (contrast < 4.5) poor.push(`${element.tagName} ${text.slice(0, 40)}: ${contrast.toFixed(2)}`);
  }
  return poor;
}"""
"""Texts whose contrast is below 4.5, as WCAG counts."""


@pytest.fixture
async def service(own_rabbitmq: RabbitMQ, dead: DeadLetterQueue, tmp_path: Path) -> AsyncIterator[ConsumerSetup]:
    """A service with a console, some requests behind it, one of which failed, and three dead letters."""
    async with running_service(tmp_path, own_rabbitmq.url, **SETTINGS) as running:
        dead.request_queue, _ = running.consumer.queues
        running.gateway.script(CREATE, fail("NOT_FOUND", GONE))
        async with running.client() as client:
            with pytest.raises(NotFound):
                await client.call(CreateInstance(bpmn_process_id="order"), request_id="order-4711")
            for number in range(20):
                await client.call(CreateInstance(bpmn_process_id="order", variables={"orderId": number}))
        for number in range(2):
            failed = datetime.now(UTC) - timedelta(hours=4, minutes=number)
            headers = {wire.OPERATION: "create-instance", wire.ERROR_MESSAGE: GONE, wire.FAILED_AT: failed.isoformat()}
            await dead.add(create(orderId=number), headers={**headers, wire.REQUEST_ID: f"order-{number}"})
        await dead.add(HOSTILE.encode(), headers={wire.REQUEST_ID: HOSTILE, wire.ERROR_MESSAGE: HOSTILE})
        yield running


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """The browser."""
    async with launched() as browser:
        yield browser


@asynccontextmanager
async def reading(chromium: Browser, service: ConsumerSetup, **how: Any) -> AsyncIterator[Page]:
    """A page of somebody who is logged in; what the browser complains of fails the test."""
    context = await chromium.new_context(**how)
    page, complaints = await context.new_page(), list[str]()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(f"a dialog: {dialog.message}"))
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    await log_in(page, service)
    yield page
    assert complaints == []
    await context.close()


async def log_in(page: Page, service: ConsumerSetup) -> None:
    """By keyboard alone: the field has the focus."""
    await page.goto(address(service, ""))
    await expect(page.get_by_label("Token")).to_be_focused()
    await page.keyboard.type((service.directory / "state" / NAME).read_text().strip())
    await page.keyboard.press("Enter")
    await expect(page).to_have_title(re.compile("Overview"))


def address(service: ConsumerSetup, path: str) -> str:
    return f"http://localhost:{service.consumer.port}/console/{path}"


async def press_tab_until(page: Page, name: str) -> None:
    """Move by the tabulator until the focus is on what has this name; each stop on the way shows where it is."""
    for _ in range(60):
        await page.keyboard.press("Tab")
        focus = await page.evaluate(
            "() => { const e = document.activeElement; return {outline: getComputedStyle(e).outlineStyle, "
            "end: e === document.body, name: e.ariaLabel || e.labels?.[0]?.textContent || e.textContent}; }"
        )
        if focus["end"]:  # of the page: it begins again
            continue
        assert focus["outline"] == "solid", focus
        if focus["name"].strip().startswith(name):
            return
    raise AssertionError(f"the tabulator does not lead to {name!r}")


async def follow(page: Page, name: str, heading: str) -> None:
    """Move to what has this name, press it, and be on the page with this heading."""
    await press_tab_until(page, name)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text(heading)


async def pages(page: Page) -> list[str]:
    """The paths of all kinds of pages."""
    await page.goto(page.url.partition("/console/")[0] + "/console/letters")
    letters = await page.locator("tbody a[href*='/letters/']").evaluate_all("all => all.map(e => e.pathname)")
    found = [each.removeprefix("/console/") for each in (letters[0], letters[-1])]
    return ["", "letters", *found, "send", "send/create-instance", "send/deploy-process", "nothing"]


async def test_with_the_keyboard_alone_a_letter_is_sent_again(chromium: Browser, service: ConsumerSetup) -> None:
    async with reading(chromium, service) as page:
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("main")).to_be_focused()
        await page.reload()
        await follow(page, "Dead letters", "Dead letters")
        await press_tab_until(page, "Choose letter")
        await page.keyboard.press("Space")
        await press_tab_until(page, "Send chosen again")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status")).to_have_text("1 succeeded.")
        await follow(page, "Back to the dead letters", "Dead letters")
        await expect(page.get_by_role("checkbox", name="Choose letter")).to_have_count(2)
        await press_tab_until(page, "Choose all on this page")
        await page.keyboard.press("Space")
        await follow(page, "Drop chosen", "Drop 2 letters?")
        await press_tab_until(page, "Drop for good")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status")).to_have_text("2 dropped.")
        await press_tab_until(page, "Log out")
        await page.keyboard.press("Enter")
        await expect(page.get_by_label("Token")).to_be_focused()
    assert sum(service.gateway.executions.values()) == 21


async def test_a_request_is_sent_by_keyboard_and_its_reply_is_read_out(
    chromium: Browser, service: ConsumerSetup
) -> None:
    async with reading(chromium, service) as page:
        await follow(page, "Send a request", "Send a request")
        await follow(page, "create-instance", "Send create-instance")
        await press_tab_until(page, "Request")
        # Out of the field and on: it keeps no tabulator for itself.
        await press_tab_until(page, "Seconds to wait for the reply")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status")).to_contain_text("OK (in")
        await expect(page.get_by_label("Body of the reply")).to_contain_text('"processInstanceKey"')
        assert re.fullmatch("[0-9a-f]{32}", await page.locator("dd code").first.text_content() or "")


async def test_a_screen_reader_is_told_what_everything_is(chromium: Browser, service: ConsumerSetup) -> None:
    async with reading(chromium, service) as page:

        async def is_told(path: str) -> None:
            await page.goto(address(service, path))
            nodes = await tree(page)
            roles = [role for role, _ in nodes]
            nameless = {role for role, name in nodes if role in NAMED and not name}
            assert nameless == set()
            assert roles.count("main") == roles.count("banner") == 1
            assert await page.locator("h1").count() == 1
            assert await page.locator("html").get_attribute("lang") == "en"
            ids = await page.locator("[id]").evaluate_all("all => all.map(each => each.id)")
            assert len(ids) == len(set(ids))

        # The answer about a page that is not there is an error for the browser, too.
        await check_each([each for each in await pages(page) if each != "nothing"], is_told)
        await page.goto(address(service, ""))
        snapshot = await page.locator("body").aria_snapshot()
        for line in (
            '- link "Skip to the content"',
            '- navigation "Console"',
            '- link "Overview"',
            '- button "Log out"',
            '- heading "Overview" [level=1]',
            "- status: Ready.",
            '- button "Pause updates"',
            '- heading "Queues" [level=2]',
            '- table "Request queues in the last minute"',
            '- columnheader "Requests per second"',
            '- table "The newest 1 of 1 since the start"',
        ):
            assert line in snapshot


async def tree(page: Page) -> list[tuple[str, str]]:
    """Role and name of everything that a screen reader is told of."""
    session = await page.context.new_cdp_session(page)
    nodes = (await session.send("Accessibility.getFullAXTree"))["nodes"]
    await session.detach()
    return [
        (node["role"]["value"], node.get("name", {}).get("value", "").strip()) for node in nodes if not node["ignored"]
    ]


async def test_every_page_fits_and_can_be_read_light_and_dark_wide_and_narrow(
    chromium: Browser, service: ConsumerSetup
) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)

    async def fits(colours: str, width: str) -> None:
        how = {"color_scheme": colours, "viewport": {"width": WIDTHS[width], "height": 900}}
        async with reading(chromium, service, **how) as page:
            for path in await pages(page):
                if path == "nothing":
                    continue
                await page.goto(address(service, path))
                assert await overflow(page) == 0, path
                assert await page.evaluate(CONTRAST) == [], path
                name = re.sub("[0-9a-f]{32}", "one", path).replace("/", "-") or "overview"
                await page.screenshot(path=PICTURES / f"{name}-{colours}-{width}.png", full_page=True)

    await check_each([(colours, width) for colours in COLOURS for width in WIDTHS], fits)
    assert len(list(PICTURES.glob("overview-*.png"))) == 4


async def test_the_page_renews_itself_unless_it_is_told_not_to_or_somebody_is_there(
    chromium: Browser, service: ConsumerSetup
) -> None:
    async with reading(chromium, service) as page:
        status = page.get_by_role("status")
        await expect(status).to_have_text("Ready.")
        await service.gateway.stop()
        await expect(status).to_have_text("Not ready: gateway.", timeout=60_000)
        await expect(page.get_by_role("heading", name="Why it is not ready")).to_be_visible()
        # Nobody is moved: the focus stays where it is, and what it is in is left alone.
        table = page.get_by_role("region", name="Last failures")
        await table.focus()
        before = await page.locator("#fragment").evaluate("each => { each.dataset.mark = 'mine'; return 1; }")
        assert before == 1
        await page.evaluate("() => new Promise(done => setTimeout(done, 6000))")
        assert await page.locator("#fragment").get_attribute("data-mark") == "mine"
        await expect(table).to_be_focused()
        pause = page.get_by_role("button", name="Pause updates")
        await pause.click()
        await expect(pause).to_have_attribute("aria-pressed", "true")


async def test_without_script_everything_works(chromium: Browser, service: ConsumerSetup) -> None:
    async with reading(chromium, service, java_script_enabled=False) as page:
        await expect(page.get_by_role("button", name="Pause updates")).to_have_count(0)
        await page.get_by_role("link", name="Refresh").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
        await page.get_by_role("link", name="Dead letters").click()
        await expect(page.get_by_role("checkbox", name="Choose all on this page")).to_have_count(0)
        await page.get_by_role("checkbox", name="Choose letter").first.check()
        await page.get_by_role("button", name="Send chosen again").click()
        await expect(page.get_by_role("status")).to_have_text("1 succeeded.")


async def test_who_wants_no_motion_gets_none(chromium: Browser, service: ConsumerSetup) -> None:
    async def moves(wish: str) -> list[str]:
        async with reading(chromium, service, reduced_motion=wish) as page:
            found = "all => [...new Set(all.map(e => getComputedStyle(e).transitionDuration))]"
            return list(await page.locator("a, button").evaluate_all(found))

    assert await moves("reduce") == ["0s"]
    assert await moves("no-preference") != ["0s"]


async def test_the_cookie_is_the_browser_s_secret_and_goes_nowhere_else(
    chromium: Browser, service: ConsumerSetup
) -> None:
    async with reading(chromium, service) as page:
        [cookie] = await cookies(page.context)
        assert cookie["name"] == f"zeebe_amqp_console_{service.consumer.port}"
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/console")
        assert await page.evaluate("() => document.cookie") == ""
        [readyz] = await requests(page, f"http://localhost:{service.consumer.port}/readyz")
        assert "cookie" not in readyz


async def cookies(context: BrowserContext) -> Iterable[Any]:
    return await context.cookies()


async def requests(page: Page, url: str) -> list[dict[str, str]]:
    """The headers of the requests for an address."""
    found: list[Any] = []
    page.on("request", lambda request: found.append(request) if request.url == url else None)
    await page.goto(url)
    return [await each.all_headers() for each in found]
