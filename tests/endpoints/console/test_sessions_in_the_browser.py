import re

from playwright.async_api import Page, expect

from functions.failures import EngineUnavailable
from tests.endpoints.console.conftest import Console
from tests.endpoints.console.scripted_engine import QUESTION, ScriptedEngine

HABITS = "\n\n".join(f"def read_{name}(path: str) -> str:\n    return path" for name in "abcdefghijkl")


async def test_what_is_written_appears_while_it_is_written(console: Console, scripted: ScriptedEngine):
    scripted.pause_s = 0.03
    page = await console.developer()
    await console.order(page, "sum the even numbers", follow=False)
    await expect(page.get_by_text("working")).to_be_visible()
    await expect(page.get_by_role("region", name="Signature")).to_contain_text(
        "def sum_even(numbers: list[int]) -> int"
    )
    await expect(page.get_by_text("It follows the specification.")).to_be_visible()
    await expect(page.get_by_role("region", name="Source code")).to_contain_text("for number in numbers:")
    await expect(page.get_by_role("heading", name="Evidence")).to_be_visible()
    await expect(page.locator("#generated-code .hljs-keyword").first).to_be_visible()
    await expect(page.locator(".evidence .verdict.good")).not_to_have_count(0)
    await expect(page.locator(".evidence .verdict.bad")).to_have_count(0)


async def test_a_page_loaded_again_in_mid_stream_goes_on_where_it_was(console: Console, scripted: ScriptedEngine):
    scripted.pause_s = 0.03
    page = await console.developer()
    await console.order(page, "sum the even numbers", follow=False)
    await page.reload()
    await expect(page.get_by_role("heading", name="Evidence")).to_be_visible()
    await expect(page.get_by_text("version 3, just now")).to_be_visible()


async def test_a_page_that_shows_work_under_way_asks_for_its_end_whatever_version_it_has(
    console: Console, scripted: ScriptedEngine
):
    """Between the page and its stream the work may end, with the version that the page has already."""
    scripted.pause_s = 0.1
    page = await console.developer()
    await console.order(page, "sum the even numbers", follow=False)
    assert (await page.locator("[data-live]").get_attribute("sse-connect") or "").endswith("/live?version=0")


async def test_a_connection_that_was_lost_comes_back(console: Console, scripted: ScriptedEngine):
    scripted.pause_s = 0.02
    page = await console.developer()
    await console.order(page, "sum the even numbers", follow=False)
    await page.context.set_offline(True)
    await page.wait_for_timeout(1500)
    await page.context.set_offline(False)
    await expect(page.get_by_role("heading", name="Evidence")).to_be_visible()
    console.complaints[:] = [c for c in console.complaints if not re.match("htmx:|.*ERR_INTERNET_DISCONNECTED", c)]


async def test_work_that_was_stopped_can_go_on(console: Console, scripted: ScriptedEngine):
    scripted.pause_s = 0.1
    page = await console.developer()
    await console.order(page, "sum the even numbers", follow=False)
    await page.get_by_role("button", name="Stop").click()
    await expect(page.get_by_text("The work on this stopped.")).to_be_visible()
    scripted.pause_s = 0
    await page.get_by_role("button", name="Go on").click()
    await expect(page.get_by_role("heading", name="Evidence")).to_be_visible()


async def test_an_engine_that_is_away_leaves_a_session_that_says_so(console: Console, scripted: ScriptedEngine):
    scripted.failure = EngineUnavailable("the engine", "it is starting", retry_after_s=30)
    page = await console.developer()
    await console.order(page, "sum the even numbers", follow=False)
    await expect(page.get_by_role("alert")).to_contain_text("The engine is unavailable: it is starting")
    scripted.failure = None
    await page.get_by_role("button", name="Go on").click()
    await expect(page.get_by_role("heading", name="Evidence")).to_be_visible()


async def test_a_question_is_answered_by_a_click_and_the_function_is_finalized(
    console: Console, scripted: ScriptedEngine
):
    scripted.specification["questions"] = [QUESTION]
    page = await console.developer()
    await console.order(page, "sum the even numbers", follow=False)
    await page.get_by_role("button", name="raise ValueError").click()
    await expect(page.get_by_text("Your answer is worked in: it changed what it is for.")).to_be_visible()
    await expect(page.locator(".summary")).to_have_text("Sum the even numbers, if there are any")
    await expect(page.locator("#specification")).to_contain_text("Decided")
    await page.get_by_role("button", name="Write the code").click()
    await page.get_by_role("button", name="Finalize").click()
    await expect(page.locator(".session-title")).to_contain_text("finalized")
    await page.goto(console.url)
    await expect(page.get_by_role("link", name="sum_even")).to_contain_text("finalized")


async def test_a_question_that_does_not_matter_is_left_out_at_once(console: Console, scripted: ScriptedEngine):
    scripted.specification["examples"] = [{"arguments": ["1", "2"], "result": "3"}]
    page = await console.developer()
    await console.order(page, "sum the even numbers")
    await expect(page.get_by_role("heading", name="One thing is open")).to_be_visible()
    await expect(page.get_by_role("button", name="sum_even([1, 2]) == 3")).to_be_visible()
    await page.get_by_role("textbox", name="What is meant by the example").fill("sum_even(1) == 3")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("1 is not of type list[int]")
    await expect(page.get_by_role("textbox", name="What is meant by the example")).to_have_value("sum_even(1) == 3")
    await page.get_by_role("button", name="Leave it out").click()
    await expect(page.locator("#specification")).to_contain_text("left out")
    await expect(page.get_by_role("heading", name="One thing is open")).to_have_count(0)


async def test_a_question_is_answered_in_own_words(console: Console, scripted: ScriptedEngine):
    scripted.specification["questions"] = [QUESTION]
    page = await console.developer()
    await console.order(page, "sum the even numbers", follow=False)
    await page.get_by_placeholder("Or in your own words").fill("nothing <b>at all</b>")
    await page.keyboard.press("Enter")
    await expect(page.locator("#specification")).to_contain_text("nothing <b>at all</b>")


async def test_constraints_are_chosen_by_words_or_found_in_code(console: Console):
    page = await console.developer()
    await page.goto(f"{console.url}/new")
    await page.get_by_label("What should it do?").fill("sum the even numbers")
    await page.get_by_label("Never runs text as code").check()
    await page.get_by_text("Rules that your own code keeps to").click()
    await page.get_by_label("Paste Python").fill(HABITS)
    await page.locator("#mined input").first.check()
    await page.get_by_role("button", name="Write it").click()
    await page.get_by_role("heading", name="Evidence").wait_for()
    await expect(page.locator(".kept .badge")).to_have_count(2)


async def test_constraints_that_are_not_understood_are_refused_before_anything_is_asked(console: Console):
    page = await console.developer()
    await page.goto(f"{console.url}/new")
    await page.get_by_label("What should it do?").fill("sum the even numbers")
    await page.get_by_text("Constraints of your own, as JSON").click()
    await page.get_by_label("Constraints of your own").fill('[{"name": "x", "rule": {"type": "forbid_magic"}}]')
    await page.get_by_role("button", name="Write it").click()
    await expect(page.get_by_role("alert")).to_contain_text("forbid_magic")
    await expect(page.get_by_label("What should it do?")).to_have_value("sum the even numbers")


async def test_two_tabs_see_each_other_and_two_edits_are_put_together(console: Console):
    page = await console.developer()
    await console.order(page, "sum the even numbers")
    session = page.url
    mine, theirs = await console.page(page.context), await console.page(page.context)
    for tab in (mine, theirs):
        await tab.goto(f"{session}/edit")
    await _edit(theirs, "Sum the even numbers in a list of integers", "Sum of the even ones")
    await theirs.wait_for_url(session)
    await expect(page.locator(".summary")).to_have_text("Sum of the even ones")
    await _edit(mine, "result % 2 == 0", "result > -1000")
    await expect(mine.get_by_role("heading", name="Somebody saved version 4 while you were editing")).to_be_visible()
    await expect(mine.get_by_text("nothing clashes")).to_be_visible()
    await mine.get_by_role("button", name="Save as a new version").click()
    await mine.wait_for_url(session)
    await expect(page.locator("#specification")).to_contain_text("result > -1000")
    await expect(page.locator(".summary")).to_have_text("Sum of the even ones")


async def test_a_faulty_specification_is_told_where_while_it_is_typed(console: Console):
    page = await console.developer()
    await console.order(page, "sum the even numbers")
    await page.goto(f"{page.url}/edit")
    text = page.get_by_label("The specification, as JSON")
    await text.fill((await text.input_value()).replace('"returns": "int"', '"returns": "in t"'))
    line = (await text.input_value()).split('"returns"')[0].count("\n") + 1
    await page.get_by_role("button", name=f"Line {line}").click()
    assert "in t" in await page.evaluate("getSelection().toString()")
    await expect(page.locator("#faults")).to_contain_text("/signature/returns")


async def test_an_earlier_version_is_compared_and_gone_back_to(console: Console):
    page = await console.developer()
    await console.order(page, "sum the even numbers")
    await page.get_by_role("link", name="What changed in version 3").click()
    await expect(page.get_by_label("Lines of code that changed")).to_contain_text("+ def sum_even")
    await page.go_back()
    await page.get_by_role("button", name="Go back to version 2").click()
    await expect(page.get_by_text("version 4, just now")).to_be_visible()
    await expect(page.get_by_role("button", name="Write the code")).to_be_visible()


async def test_a_session_is_shared_and_commented_on(console: Console):
    colleague = await console.stack.user("colleague@example.com")
    page = await console.developer()
    await console.order(page, "sum the even numbers")
    await page.get_by_text("Share it with a colleague").click()
    await page.get_by_label("Email of a colleague").fill("colleague@example.com")
    await page.get_by_role("button", name="Share").click()
    await expect(page.get_by_text("may read and comment")).to_be_visible()
    other = await console.visitor()
    await other.context.add_cookies([{"name": "lift-access", "value": colleague.token, "url": console.url}])
    await other.goto(page.url)
    await other.get_by_text("Add a comment").click()
    await other.get_by_label("About").select_option("/examples/0")
    await other.get_by_label("Comment", exact=True).fill("Why not zero?")
    await other.get_by_role("button", name="Add the comment").click()
    await expect(other.locator(".comment-body")).to_have_text("Why not zero?")
    await expect(other.get_by_role("button", name="Finalize")).to_have_count(0)
    await page.reload()
    await page.get_by_role("button", name="Settle").click()
    await expect(page.locator(".comments .settled")).to_have_count(1)
    await page.get_by_role("button", name="Take back").click()
    await expect(page.get_by_text("Nobody else sees this session.")).to_be_visible()
    await other.reload()
    await expect(other.get_by_role("heading", name="There is no such resource")).to_be_visible()


async def test_what_is_being_typed_is_not_taken_away_by_a_newer_version(console: Console):
    page = await console.developer()
    await console.order(page, "sum the even numbers")
    await page.get_by_text("Add a comment").click()
    await page.get_by_label("Comment", exact=True).fill("half a thought")
    other = await console.page(page.context)
    await other.goto(f"{page.url}/edit")
    await _edit(other, "Sum the even numbers in a list of integers", "Sum of the even ones")
    await expect(page.get_by_text("There is a newer version.")).to_be_visible()
    await expect(page.get_by_label("Comment", exact=True)).to_have_value("half a thought")
    await page.get_by_role("button", name="Load it").click()
    await expect(page.locator(".summary")).to_have_text("Sum of the even ones")


async def test_sessions_are_found_by_words_and_by_status(console: Console):
    page = await console.developer()
    await console.order(page, "sum the even numbers")
    await page.get_by_role("button", name="Finalize").click()
    await expect(page.locator(".session-title")).to_contain_text("finalized")
    await page.goto(console.url)
    await page.get_by_label("Search", exact=True).fill("zebra")
    await expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    await page.get_by_label("Search", exact=True).fill("even")
    await expect(page.get_by_role("link", name="sum_even")).to_be_visible()
    await page.get_by_label("Status").select_option("abandoned")
    await expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    await expect(page).to_have_url(re.compile("q=even.*status=abandoned"))


async def test_sessions_are_found_by_what_they_mean(console: Console):
    page = await console.developer()
    await console.order(page, "add up whatever can be divided by two")
    await page.goto(console.url)
    await page.get_by_label("Search", exact=True).fill("total of even integers")
    await expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    await page.get_by_label("Search by").select_option("meaning")
    await expect(page.get_by_role("link", name="sum_even")).to_be_visible()
    await expect(page).to_have_url(re.compile("q=total.*by=meaning"))


async def _edit(page: Page, old: str, new: str) -> None:
    text = page.get_by_label("The specification, as JSON")
    await text.fill((await text.input_value()).replace(old, new))
    await page.get_by_role("button", name="Save as a new version").click()
