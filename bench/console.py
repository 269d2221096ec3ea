"""How fast the console's pages appear, and how heavy they are, in a headless Chromium: `python -m bench.console URL`.

The server at URL (of `make serve`) has a development user. Each page is loaded several times by a browser that has kept
nothing; the first contentful paint is the browser's own (its performance API), the weight is what came over the wire.
"""

import asyncio
import shutil
import sys
from statistics import median

from playwright.async_api import Browser, Request, async_playwright

TIMES = 5
PAGES = ("/", "/new", "/playground", "/account", "/operate")
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"


async def measure(url: str) -> None:
    """Print a row for each page."""
    async with async_playwright() as playwright:
        executable = shutil.which("chromium") or shutil.which("google-chrome")
        browser = await playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        context = await browser.new_context()
        page = await context.new_page()
        await page.goto(url)
        await page.get_by_role("button", name="Sign in as the development user").click()
        await page.get_by_role("heading", name="Sessions").wait_for()
        cookies = await context.cookies()
        sys.stdout.write("| page | first contentful paint, median | slowest | over the wire |\n|---|---|---|---|\n")
        for path in PAGES:
            loads = [await _load(browser, cookies, url + path) for _ in range(TIMES)]
            paints = [paint for paint, _ in loads]
            weight = max(size for _, size in loads)
            row = f"| `{path}` | {median(paints):.0f} ms | {max(paints):.0f} ms | {weight / 1000:.0f} KB |\n"
            sys.stdout.write(row)
        await browser.close()


async def _load(browser: Browser, cookies: list[object], url: str) -> tuple[float, int]:
    context = await browser.new_context()
    await context.add_cookies(cookies)  # type: ignore[arg-type] # what `cookies` gave
    page = await context.new_page()
    done: list[Request] = []
    page.on("requestfinished", lambda request: done.append(request))  # noqa: PLW0108 - a bound method takes no mark
    await page.goto(url)
    await page.wait_for_load_state("networkidle")
    paint = await page.wait_for_function(PAINT)
    sizes = [await request.sizes() for request in done]
    first = float(await paint.json_value())
    await context.close()
    return first, sum(size["responseBodySize"] + size["responseHeadersSize"] for size in sizes)


if __name__ == "__main__":
    asyncio.run(measure(sys.argv[1].rstrip("/") if len(sys.argv) > 1 else "http://127.0.0.1:8000"))
