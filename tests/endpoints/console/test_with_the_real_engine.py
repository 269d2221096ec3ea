from contextlib import suppress

from playwright.async_api import TimeoutError as BrowserTimeoutError
from playwright.async_api import expect

from tests.endpoints.console.conftest import Console, screenshot

PATIENCE_MS = 180_000


async def test_from_signing_in_to_a_finalized_specification_with_code_that_was_watched_and_stopped(
    real_console: Console,
):
    page = await real_console.developer()
    page.set_default_timeout(PATIENCE_MS)
    await page.get_by_role("link", name="Write a function").first.click()
    await page.get_by_label("What should it do?").fill("add two integers")
    await page.get_by_label("Never runs text as code").check()
    await page.get_by_text("Specification only").click()
    await page.get_by_label("Take the first suggestion").check()
    await page.get_by_role("button", name="Write it").click()
    await page.get_by_role("button", name="Write the code").wait_for()
    await expect(page.get_by_role("region", name="Signature")).to_contain_text("def ")
    await screenshot(page, "real-specification")
    await page.get_by_role("button", name="Write the code").click()
    await expect(page.get_by_role("region", name="Source code")).to_contain_text("def ", timeout=PATIENCE_MS)
    await screenshot(page, "real-writing")
    # A small model may write on until its tokens run out, which takes minutes: then what is enough is stopped.
    with suppress(BrowserTimeoutError):
        await page.get_by_role("button", name="Stop").click(timeout=5_000)
    stopped, done = page.get_by_role("button", name="Go on"), page.get_by_role("heading", name="Evidence")
    await stopped.or_(done).wait_for()
    if await stopped.is_visible():
        await page.get_by_text("More", exact=True).click()
    await page.get_by_role("button", name="Finalize").click()
    await expect(page.locator(".session-title")).to_contain_text("finalized", timeout=PATIENCE_MS)


async def test_the_playground_with_a_real_model_keeps_to_the_schema(real_console: Console):
    page = await real_console.developer()
    page.set_default_timeout(PATIENCE_MS)
    await page.goto(f"{real_console.url}/playground")
    await page.get_by_text("Choice", exact=True).click()
    await page.get_by_role("button", name="Generate").click()
    await page.locator("#figures").wait_for()
    assert await page.locator("#output").inner_text() in {"friendly", "neutral", "unfriendly"}
