from playwright.async_api import Page, expect

from tests.endpoints.console.conftest import Console, screenshot

PATIENCE_MS = 180_000
TRIES = 3


async def test_from_signing_in_to_a_finalized_function(real_console: Console):
    page = await real_console.developer()
    page.set_default_timeout(PATIENCE_MS)
    await page.get_by_role("link", name="Write a function").first.click()
    await page.get_by_label("What should it do?").fill("add two integers")
    await page.get_by_label("Never runs text as code").check()
    await page.get_by_label("Take the first suggestion").check()
    await page.get_by_role("button", name="Write it").click()
    await expect(page.get_by_role("region", name="Signature")).to_contain_text("def ", timeout=PATIENCE_MS)
    await screenshot(page, "real-writing")
    await _until_there_is_code(page)
    await expect(page.locator("#generated-code")).to_contain_text("def ")
    await expect(page.get_by_text("no-eval")).to_be_visible()
    await screenshot(page, "real-session")
    await page.get_by_role("button", name="Finalize").click()
    await expect(page.locator(".session-title")).to_contain_text("finalized")


async def _until_there_is_code(page: Page) -> None:
    """A small model may write without end; what it is told to, is to go on."""
    evidence = page.get_by_role("heading", name="Evidence")
    go_on = page.get_by_role("button", name="Go on")
    for _ in range(TRIES):
        await evidence.or_(go_on).wait_for()
        if await evidence.is_visible():
            return
        await screenshot(page, "real-stopped")
        await go_on.click()
