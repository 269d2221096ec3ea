"""A real browser before the whole web tier, served over a socket; skipped where there is no Chromium."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright, expect

from endpoints.app import create_app
from endpoints.composition import assemble
from endpoints.services import Services
from functions.cache import FileStore
from functions.engine import Engine
from functions.generation import EngineClient
from functions.sentence_model import SentenceModel
from functions.sign_ins import Credentials
from functions.validation import ConstraintValidator
from infra.settings import Settings
from tests.database_fixtures import Stack
from tests.endpoints.asgi import served
from tests.endpoints.conftest import secrets_of
from tests.endpoints.console.scripted_engine import ScriptedEngine

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",  # as root there is none; the pages are our own
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SCREENSHOTS = Path(__file__).resolve().parents[3] / ".local" / "screenshots"
AXE = Path(__file__).with_name("vendor") / "axe-core" / "axe.min.js"

DEVELOPER = Credentials("developer@localhost.test", "a long enough password")
PATIENCE_MS = 60_000  # other work may be going on beside
expect.set_options(timeout=PATIENCE_MS)

PHONE = {"viewport": {"width": 390, "height": 844}}
DESKTOP = {"viewport": {"width": 1280, "height": 850}}


@dataclass
class Console:
    """One console, and browsers that visit it. What a page complains of is kept in `complaints`."""

    url: str
    services: Services
    stack: Stack
    browser: Browser
    engine: EngineClient
    contexts: list[BrowserContext] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    async def visitor(self, **options: Any) -> Page:
        """A page in a browser of its own, at the sign-in form."""
        context = await self.browser.new_context(**{**DESKTOP, **options})
        context.set_default_timeout(PATIENCE_MS)
        self.contexts.append(context)
        page = await self.page(context)
        await page.goto(self.url)
        return page

    async def developer(self, **options: Any) -> Page:
        """As `visitor`, signed in."""
        page = await self.visitor(**options)
        await page.get_by_role("button", name="Sign in as the development user").click()
        await page.get_by_role("heading", name="Sessions").wait_for()
        return page

    async def page(self, context: BrowserContext) -> Page:
        page = await context.new_page()
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return page

    async def order(self, page: Page, prompt: str, *, follow: bool = True) -> None:
        """Give an order by the form, and be at its session."""
        await page.goto(f"{self.url}/new")
        await page.get_by_label("What should it do?").fill(prompt)
        await page.get_by_role("button", name="Write it").click()
        await page.wait_for_url("**/sessions/*")
        if follow:
            await page.get_by_role("heading", name="Evidence").wait_for()

    def _note(self, message: ConsoleMessage) -> None:
        is_answer = "the server responded with a status of 4" in message.text  # what a test asked for
        # htmx logs the event with which a stream breaks off; it connects again by itself, on a busy machine too.
        is_lost_stream = message.text in {"[object Event]", "[object MessageEvent]"}
        # A request whose place a later one took, or that the end of the page broke off; what fails is a "sendError".
        is_abandoned = message.text.startswith(("htmx:afterRequest,", "htmx:sendAbort,"))
        if message.type in {"error", "warning"} and not (is_answer or is_lost_stream or is_abandoned):
            self.complaints.append(message.text)


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        pytest.skip("there is no Chromium here (Debian: apt-get install chromium)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        await browser.close()


Consoles = Callable[[EngineClient], Awaitable[Console]]


@pytest.fixture
async def consoles(
    browser: Browser,
    stack: Stack,
    settings: Settings,
    validator: ConstraintValidator,
    embedder: SentenceModel,
    store: FileStore,
) -> AsyncIterator[Consoles]:
    """Makes a console before an engine. None of its pages may have complained of anything by the end of the test."""
    made: list[Console] = []
    async with AsyncExitStack() as life:

        async def make(engine: EngineClient) -> Console:
            await _make_developer(stack)
            limits = settings.limits.model_copy(update={"reads_per_minute": 5000})
            services = await life.enter_async_context(
                assemble(
                    settings.model_copy(update={"limits": limits}),
                    secrets_of(stack),
                    engine,
                    validator,
                    embedder=embedder,
                    store=store,
                    development_user=DEVELOPER,
                )
            )
            url = await life.enter_async_context(served(create_app(services)))
            made.append(Console(url, services, stack, browser, engine))
            return made[-1]

        yield make
        for console in made:
            for context in console.contexts:
                await context.close()
    assert [console.complaints for console in made] == [[] for _ in made]


@pytest.fixture
async def console(consoles: Consoles, scripted: ScriptedEngine) -> Console:
    return await consoles(scripted)


@pytest.fixture
async def real_console(consoles: Consoles, engine: Engine) -> Console:
    return await consoles(engine)


async def _make_developer(stack: Stack) -> None:
    user = {"email": DEVELOPER.email, "password": DEVELOPER.password, "email_confirm": True}
    headers = {"apikey": stack.service_role_key, "authorization": f"Bearer {stack.service_role_key}"}
    async with httpx.AsyncClient(base_url=stack.url, headers=headers, trust_env=False) as client:
        made = await client.post("/auth/v1/admin/users", json={**user, "app_metadata": {"operator": True}})
        made.raise_for_status()


async def screenshot(page: Page, name: str) -> None:
    """Keep what the page looks like now, for people to look at."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


async def accessibility_faults(page: Page) -> list[str]:
    """What axe-core finds against WCAG 2.2 AA and its own best practices."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE.read_text())  # as the console's policy lets no script in by its address
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = await page.evaluate("tags => axe.run({ runOnly: tags })", tags)
    return [f"{v['id']}: {v['help']} ({v['nodes'][0]['target']})" for v in found["violations"]]
