"""The visitor's account: API keys, use and budgets."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from endpoints.console.charts import chart, last_days, series
from endpoints.console.rendering import page
from endpoints.console.route import ConsoleRoute, go_to
from endpoints.guard import Administrator, App, Reader, Scope
from endpoints.services import Services
from functions.callers import Caller
from functions.ledger import DayUsage

router = APIRouter(route_class=ConsoleRoute, prefix="/account", include_in_schema=False)

DAYS = 30
SCOPES: tuple[tuple[Scope, str], ...] = (
    ("read", "read sessions and use"),
    ("generate", "generate, create and change"),
    ("admin", "manage keys, shares and the profile"),
)


@router.get("")
async def account(request: Request, app: App, caller: Reader) -> Response:
    """Keys, use and budgets."""
    return page(request, "account.html", **await _account(app, caller))


@router.post("/keys")
async def create_key(
    request: Request,
    app: App,
    caller: Administrator,
    name: Annotated[str, Form(max_length=200)] = "",
    scopes: Annotated[list[Scope] | None, Form()] = None,
    days: Annotated[int, Form(ge=0, le=3650)] = 0,
) -> Response:
    """Make a key, and show it: this page is the only one that ever does."""
    if not name.strip() or not scopes:
        values = await _account(app, caller)
        return page(
            request, "account.html", 422, **values | {"refusal": "A key needs a name, and something it may do."}
        )
    expires_at = datetime.now(UTC) + timedelta(days=days) if days else None
    created = await app.api_keys.create(caller, name=name.strip(), scopes=scopes, expires_at=expires_at)
    return page(request, "account.html", 201, **await _account(app, caller) | {"created": created})


@router.post("/keys/{key_id}/revoke")
async def revoke_key(request: Request, app: App, caller: Administrator, key_id: str) -> Response:
    """Revoke a key: within a minute it works nowhere."""
    await app.api_keys.revoke(caller, key_id)
    return go_to(request, "/account")


async def _account(app: Services, caller: Caller) -> dict[str, Any]:
    await app.settlements.do_now(caller.user_id)  # the answers that the user has had are in it
    usage, keys = await asyncio.gather(app.ledger.usage(caller, days=DAYS), app.api_keys.list(caller))
    return {
        "keys": keys,
        "budgets": [budget for budget in usage.budgets if budget.key_id is None],
        "days": usage.days,
        "chart": chart_of(usage.days),
        "now": datetime.now(UTC),
        "limits": app.settings.limits,
        "scopes": SCOPES,
        "created": None,
        "refusal": "",
    }


def chart_of(usage: tuple[DayUsage, ...]) -> dict[str, Any]:
    """Generations of the last `DAYS` days."""
    days = last_days(DAYS)
    return chart(days, [series("Generations", days, {day.day: day.generations for day in usage}, kind="bars")])
