import re

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.endpoints.console.conftest import DEVELOPER, Console


async def test_one_click_signs_the_development_user_in_and_a_first_visit_says_what_to_do(console: Console):
    page = await console.developer()
    await expect(page.get_by_role("heading", name="Your first function is one sentence away")).to_be_visible()
    await page.get_by_role("link", name="Return the sum of the even numbers in a list of integers.").click()
    await expect(page.get_by_label("What should it do?")).to_have_value(re.compile("sum of the even"))


async def test_a_password_signs_in_and_a_wrong_one_is_refused_without_saying_which_half_is_wrong(console: Console):
    page = await console.visitor()
    await _sign_in(page, DEVELOPER.email, "wrong")
    await expect(page.get_by_role("alert")).to_have_text("The address or the password is wrong.")
    await _sign_in(page, DEVELOPER.email, DEVELOPER.password)
    await expect(page.get_by_role("heading", name="Sessions")).to_be_visible()


async def test_who_signs_out_is_signed_out(console: Console):
    page = await console.developer()
    await page.locator(".top summary").click()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
    assert {cookie["name"] for cookie in await page.context.cookies()} == {"lift-form"}
    await page.goto(f"{console.url}/account")
    await page.wait_for_url("**/sign-in?next=/account")


async def test_scripts_cannot_read_who_is_signed_in(console: Console):
    page = await console.developer()
    cookies = {cookie["name"]: cookie for cookie in await page.context.cookies()}
    assert set(cookies) == {"lift-access", "lift-refresh", "lift-form"}
    assert all(cookie["httpOnly"] and cookie["sameSite"] == "Lax" for cookie in cookies.values())
    assert await page.evaluate("document.cookie") == ""


async def test_an_access_token_that_has_run_out_is_renewed_and_one_that_cannot_be_leads_to_the_form_and_back(
    console: Console,
):
    page = await console.developer()
    await page.context.clear_cookies(name="lift-access")
    await page.goto(f"{console.url}/account")
    await expect(page.get_by_role("heading", name="Account")).to_be_visible()
    assert any(cookie["name"] == "lift-access" for cookie in await page.context.cookies())
    await page.context.clear_cookies(name=re.compile("lift-(access|refresh)"))
    await page.goto(f"{console.url}/account")
    await page.get_by_role("button", name="Sign in as the development user").click()
    await expect(page.get_by_role("heading", name="Account")).to_be_visible()


async def test_a_page_whose_session_is_over_leads_to_the_form_and_back_to_where_it_was(console: Console):
    page = await console.developer()
    await console.order(page, "sum the even numbers")
    session = page.url
    await page.context.clear_cookies(name=re.compile("lift-(access|refresh)"))
    await page.reload()
    await page.get_by_role("button", name="Sign in as the development user").click()
    await page.wait_for_url(session)
    await page.context.clear_cookies(name=re.compile("lift-(access|refresh)"))
    await page.get_by_role("button", name="Finalize").click()
    await page.wait_for_url(re.compile(r"/sign-in\?next=/"))


async def test_a_form_from_another_site_is_refused(console: Console):
    async with httpx.AsyncClient(base_url=console.url, trust_env=False) as client:
        await client.get("/sign-in")
        token = client.cookies["lift-form"]
        for headers, given in (({}, ""), ({}, "guessed"), ({"origin": "https://elsewhere.example"}, token)):
            answer = await client.post("/sign-in/development", data={"form_token": given}, headers=headers)
            assert answer.status_code == 403
            assert "lift-access" not in client.cookies
        answer = await client.post("/sign-in/development", data={"form_token": token}, headers={"origin": console.url})
        assert answer.status_code == 303


@pytest.mark.parametrize("elsewhere", ["https://elsewhere.example", "//elsewhere.example", "/\\elsewhere.example"])
async def test_signing_in_never_leads_to_another_site(console: Console, elsewhere: str):
    page = await console.visitor()
    await page.goto(f"{console.url}/sign-in?next={elsewhere}")
    await page.get_by_role("button", name="Sign in as the development user").click()
    await page.wait_for_url(f"{console.url}/")


async def test_the_theme_is_kept(console: Console):
    page = await console.developer(color_scheme="light")
    await page.get_by_role("button", name="Switch between light and dark").click()
    await page.reload()
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")


async def _sign_in(page: Page, email: str, password: str) -> None:
    await page.get_by_label("Email").fill(email)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in", exact=True).click()
