import pytest
from playwright.async_api import Page, Response, expect

from tests.endpoints.console.conftest import DESKTOP, PHONE, Console, accessibility_faults, screenshot
from tests.endpoints.console.scripted_engine import QUESTION, ScriptedEngine

PAGES = ("/", "/new", "/playground", "/account", "/operate", "/operate/reports")
LARGEST_PAGE_BYTES = 300_000
SUM_SHIFTS = """
window.shifts = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""
NO_SHIFT = 0.1
"""Below this a page is good by its users' measure (https://web.dev/articles/cls)."""


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("light", {**DESKTOP, "color_scheme": "light"}),
        ("dark", {**DESKTOP, "color_scheme": "dark"}),
        ("phone", {**PHONE, "color_scheme": "light"}),
    ],
)
async def test_every_page_is_accessible_and_fits(
    console: Console, scripted: ScriptedEngine, name: str, options: dict[str, object]
):
    page = await console.visitor(**options)
    faults = await _faults(page, f"sign-in-{name}")
    await page.get_by_role("button", name="Sign in as the development user").click()
    await page.get_by_role("heading", name="Sessions").wait_for()
    faults |= await _faults(page, f"first-visit-{name}")
    await console.order(page, "sum the even numbers " + "and_a_very_long_word" * 20)
    faults |= await _faults(page, f"session-{name}")
    session = page.url
    await page.goto(f"{session}/edit")
    faults |= await _faults(page, f"edit-{name}")
    await page.goto(f"{session}/compare?old=1&new=3")
    faults |= await _faults(page, f"compare-{name}")
    scripted.specification["questions"] = [QUESTION]
    await console.order(page, "sum the even numbers", follow=False)
    await page.get_by_role("heading", name="One thing is open").wait_for()
    faults |= await _faults(page, f"questions-{name}")
    for path in PAGES:
        await page.goto(console.url + path)
        await page.wait_for_load_state("networkidle")
        faults |= await _faults(page, f"{path.strip('/').replace('/', '-') or 'sessions'}-{name}")
    await page.goto(f"{console.url}/sessions/nothing")
    faults |= await _faults(page, f"missing-{name}")
    assert {where: found for where, found in faults.items() if found} == {}


async def test_a_page_is_light(console: Console):
    page = await console.developer()
    await console.order(page, "sum the even numbers")
    for path in (*PAGES, page.url.removeprefix(console.url)):
        loaded = await _bytes(page, console.url + path)
        assert 0 < loaded < LARGEST_PAGE_BYTES, path


async def test_nothing_jumps_while_it_is_written(console: Console, scripted: ScriptedEngine):
    scripted.pause_s = 0.02
    page = await console.developer()
    await page.add_init_script(SUM_SHIFTS)
    await console.order(page, "sum the even numbers", follow=False)
    await page.get_by_role("region", name="Source code").wait_for()
    await page.get_by_text("for number in numbers").wait_for()
    assert await page.evaluate("window.shifts") < NO_SHIFT


async def test_the_playground_marks_where_a_constraint_is_wrong_and_shows_the_text_as_it_comes(
    console: Console, scripted: ScriptedEngine
):
    scripted.text = "2026-03-21"
    page = await console.developer()
    await page.goto(f"{console.url}/playground")
    await expect(page.locator("#verdict")).to_contain_text("can be enforced")
    await page.get_by_text("Regex").click()
    await page.locator("#constraint").fill("ab(c")
    await expect(page.locator("#verdict")).to_contain_text("Line 1, column 3")
    await page.locator("#constraint").fill("[0-9-]{10}")
    await expect(page.locator("#verdict")).to_contain_text("can be enforced")
    await page.get_by_role("button", name="Generate").click()
    await expect(page.get_by_label("Generated text")).to_have_text("2026-03-21")
    await expect(page.locator("#figures")).to_contain_text("the end")
    assert await page.locator("#output span").count() == 2


async def test_the_playground_says_where_each_rule_of_a_constraint_set_is_enforced(console: Console):
    page = await console.developer()
    await page.goto(f"{console.url}/playground")
    await page.get_by_text("Rules", exact=True).click()
    rows = page.locator("#verdict li")
    await expect(rows).to_have_count(4)
    await expect(rows.nth(0)).to_contain_text("while writing")
    await expect(rows.nth(2)).to_contain_text("after writing")
    await expect(rows.nth(3)).to_contain_text("in words only")
    await page.locator("#constraint").fill('[\n{"name": "x", "rule": {"type": "forbid_magic"}}]')
    await expect(page.locator("#verdict")).to_contain_text("Line 2")


async def test_the_playground_shows_a_refusal_and_stops_when_told(console: Console, scripted: ScriptedEngine):
    scripted.text, scripted.pause_s = "word " * 500, 0.02
    page = await console.developer()
    await page.goto(f"{console.url}/playground")
    await page.locator("#constraint").fill("{")
    await page.get_by_role("button", name="Generate").click()
    await expect(page.get_by_role("alert")).to_contain_text("this is not JSON")
    await page.get_by_text("Nothing", exact=True).click()
    await page.get_by_role("button", name="Generate").click()
    await page.get_by_role("button", name="Stop").click()
    await expect(page.get_by_text("Stopped.")).to_be_visible()


async def test_a_key_is_shown_once_and_can_be_revoked(console: Console):
    page = await console.developer()
    await page.goto(f"{console.url}/account")
    await page.get_by_label("Name of a new key").fill("ci")
    await page.get_by_role("button", name="Create the key").click()
    key = await page.get_by_label("The new API key").input_value()
    assert key.startswith("lsk_")
    await page.goto(f"{console.url}/account")
    assert key not in await page.content()
    page.on("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Revoke ci").click()
    await expect(page.get_by_text("revoked just now")).to_be_visible()


async def test_operators_alone_find_the_page_for_operators(console: Console):
    user = await console.stack.user()
    page = await console.visitor()
    await page.context.add_cookies([{"name": "lift-access", "value": user.token, "url": console.url}])
    answer = await page.goto(f"{console.url}/operate")
    assert answer is not None
    assert answer.status == 404
    await expect(page.get_by_role("link", name="Operate")).to_have_count(0)


async def test_links_lead_somewhere(console: Console):
    page = await console.developer()
    await console.order(page, "sum the even numbers")
    seen: set[str] = set()
    for path in (page.url, *(console.url + path for path in PAGES)):
        await page.goto(path)
        seen |= set(await page.eval_on_selector_all("a[href]", "links => links.map((link) => link.href)"))
    for link in sorted(seen):
        answer = await page.request.get(link)
        assert answer.ok, link


async def _faults(page: Page, name: str) -> dict[str, list[str]]:
    await screenshot(page, name)
    faults = await accessibility_faults(page)
    if await page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        faults.append("it is wider than the screen")
    return {name: faults}


async def _bytes(page: Page, url: str) -> int:
    """What a browser without a cache loads for a page, as it comes over the wire."""
    answers: list[Response] = []
    context = await page.context.browser.new_context(storage_state=await page.context.storage_state())  # type: ignore[union-attr]
    fresh = await context.new_page()
    fresh.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108 - a bound method takes no mark of theirs
    await fresh.goto(url)
    await fresh.wait_for_timeout(300)
    sizes = [await answer.request.sizes() for answer in answers if "event-stream" not in answer.headers["content-type"]]
    await context.close()
    return sum(size["responseBodySize"] for size in sizes)
