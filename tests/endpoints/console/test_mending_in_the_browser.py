from playwright.async_api import expect

from tests.endpoints.console.conftest import Console, accessibility_faults
from tests.endpoints.console.scripted_engine import ScriptedEngine


async def test_a_clause_shows_the_lines_and_the_checks_that_realise_it(console: Console):
    page = await console.developer()
    await console.order(page, "sum the even numbers")
    parameter = page.locator('[data-clause="/signature/parameters/0"]')
    await expect(parameter.get_by_role("button")).to_have_text("line 4")
    await parameter.get_by_role("button").click()
    await expect(page.locator(".code-mark")).to_have_count(1)
    await page.get_by_role("link", name="passed").first.focus()
    await expect(page.locator(".code-mark")).to_have_count(0)
    await expect(page.locator(".evidence .looked-at")).to_have_count(1)
    assert await accessibility_faults(page) == []


async def test_what_the_rules_find_missing_becomes_a_question_by_a_click(console: Console, scripted: ScriptedEngine):
    scripted.specification["raises"] = ["ValueError"]
    page = await console.developer()
    await console.order(page, "sum the even numbers")
    missing = "It may raise ValueError, and no example shows when."
    await page.locator("#assists li").filter(has_text=missing).get_by_role("button").click()
    await page.get_by_role("textbox", name="Which call raises ValueError?").fill("sum_even([3]) == 0")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Your answer is worked in: it changed an example.")).to_be_visible()
    await expect(page.locator("#specification")).to_contain_text("sum_even([3])")
    await page.get_by_role("button", name="Write it again").click()
    await expect(page.locator('.evidence [data-clause="/examples/3"]')).to_contain_text("passed")


async def test_a_specification_is_edited_field_by_field(console: Console):
    page = await console.developer()
    await console.order(page, "sum the even numbers")
    session = page.url
    await page.get_by_role("link", name="Edit").click()
    await page.get_by_label("Returns").fill("in t")
    await page.get_by_role("button", name="Returns").click()
    await expect(page.get_by_label("Returns")).to_be_focused()
    await expect(page.get_by_label("Returns")).to_have_attribute("aria-invalid", "true")
    await page.get_by_label("Returns").fill("int")
    await page.get_by_role("button", name="Add an example").click()
    await page.locator("#examples-3-arguments").fill("[4, 4]")
    await page.locator("#examples-3-result").fill("8")
    await page.get_by_role("button", name="Take this assertion out").click()
    await expect(page.locator("#faults")).to_contain_text("valid")
    assert await accessibility_faults(page) == []
    await page.get_by_role("button", name="Save as a new version").click()
    await page.wait_for_url(session)
    await expect(page.locator("#specification")).to_contain_text("sum_even([4, 4])")
    await expect(page.locator("#specification")).not_to_contain_text("Always holds")
    await expect(page.get_by_text("What is wanted has changed since this was written.")).to_be_visible()
