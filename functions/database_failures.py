"""From what PostgREST answers to what callers are told.

Codes: SQLSTATEs (https://www.postgresql.org/docs/17/errcodes-appendix.html), `PTnnn` raised by our own functions with a
JSON detail, and PostgREST's own (https://docs.postgrest.org/en/v13/references/errors.html).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from postgrest import APIError

from functions.failures import (
    BudgetExceeded,
    Conflict,
    DatabaseUnavailable,
    Failure,
    Forbidden,
    NotFound,
    RateLimited,
    Refused,
    StaleVersion,
    TooManyAtOnce,
    Unauthenticated,
)

DATABASE = "the database"
SQLSTATE_LENGTH = 5

# The transaction was rolled back because of another one: the very same call may succeed at once.
LOST_A_RACE = {"40001", "40P01"}
# There was no connection between PostgREST and Postgres, or it broke.
CONNECTION_LOST = {"PGRST000", "PGRST001", "PGRST002", "57P01", "57P02", "57P03"}

logger = structlog.get_logger()


class UnexpectedDatabaseError(Exception):
    """The database refused in a way that no caller's input explains: a fault in our functions or calls."""


def failure_from(error: APIError, function: str, *, anonymous: bool) -> Failure | UnexpectedDatabaseError:
    """The failure that `error`, answered to a call of `function`, stands for."""
    code = error.code or ""
    answer = Answer(function, error.message or code, _detail(error), anonymous=anonymous)
    build = _FAILURES.get(code) or (_FAILURES.get(code[:2]) if len(code) == SQLSTATE_LENGTH else None)
    return build(answer) if build else UnexpectedDatabaseError(f"{function}: {answer.message} ({code})")


def failure_of(row: Mapping[str, str], function: str) -> Failure | UnexpectedDatabaseError:
    """The failure of one of many things that a call of `function` did: its `code`, `message` and `details`."""
    return failure_from(APIError(dict(row)), function, anonymous=False)


@dataclass(frozen=True)
class Answer:
    """What there is to build a failure from."""

    function: str
    message: str
    detail: dict[str, Any]
    anonymous: bool


def _detail(error: APIError) -> dict[str, Any]:
    try:
        detail = json.loads(error.details or "{}")
    except ValueError:
        return {}
    return detail if isinstance(detail, dict) else {}


def _rate_limited(answer: Answer) -> Failure:
    kind = TooManyAtOnce if answer.detail.get("policy") == "concurrent" else RateLimited
    return kind(**answer.detail)


def _not_allowed(answer: Answer) -> Failure:
    if answer.anonymous:
        return Unauthenticated("sign in first")
    # Postgres's own words name tables and policies, which are nobody's business.
    ours = not answer.message.startswith(("permission denied", "new row violates"))
    return Forbidden(answer.message if ours else "this is not for the caller to do")


def _bad_value(answer: Answer) -> Failure:
    return Refused("", answer.message)


def _bad_token(answer: Answer) -> Failure:
    return Unauthenticated(f"the database does not take the token: {answer.message}")


def _no_such_function(answer: Answer) -> Failure:
    logger.error("a function is missing in the database", function=answer.function)
    return DatabaseUnavailable(DATABASE, f"it has no function {answer.function}: apply the migrations", 60)


def _cannot_answer(answer: Answer) -> Failure:
    logger.warning("the database cannot answer", function=answer.function, reason=answer.message)
    return DatabaseUnavailable(DATABASE, "it cannot answer now")


# By code, else by the first two characters of an SQLSTATE: its class.
_FAILURES: dict[str, Callable[[Answer], Failure]] = {
    "PT402": lambda answer: BudgetExceeded(**answer.detail),
    "PT404": lambda answer: NotFound(str(answer.detail.get("what", "resource"))),
    "PT409": lambda answer: Conflict(answer.message, answer.detail),
    "PT412": lambda answer: StaleVersion(int(answer.detail["current"])),
    "PT422": _bad_value,
    "PT429": _rate_limited,
    "23505": lambda _: Conflict("it exists already", {}),
    "23503": lambda _: Conflict("it refers to something that does not exist (any more)", {}),
    "42501": _not_allowed,
    # Values that a column, a type or a check does not take. The app's own models refuse most of them earlier.
    **dict.fromkeys(("22", "23502", "23514", "54000"), _bad_value),
    **dict.fromkeys(("PGRST300", "PGRST301", "PGRST302", "PGRST303", "401"), _bad_token),
    **dict.fromkeys(("PGRST202", "42883"), _no_such_function),
    **dict.fromkeys((*CONNECTION_LOST, "PGRST003"), _cannot_answer),
    **dict.fromkeys(("08", "40", "53", "55", "57", "58"), _cannot_answer),
}
