"""JSON that people write into forms, read as strictly as the API reads a body, with the place of what is wrong."""

import json
import math
from typing import Any, NoReturn


class NotJson(Exception):  # noqa: N818 - the text is at fault, nothing has failed
    """`reason` in words, at a line and column from 1: of the whole text where the place is not known."""

    def __init__(self, reason: str, line: int = 1, column: int = 1) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line
        self.column = column


def read_json(text: str) -> Any:
    """The value. Raises `NotJson`, also for what Python alone takes (NaN) and for numbers beyond all doubles."""
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise NotJson(f"this is not JSON: {error.msg}", error.lineno, error.colno) from None
    except RecursionError:
        raise NotJson("this is nested too deep") from None
    except ValueError as error:  # a whole number may have more digits than Python reads
        raise NotJson(f"this is not JSON that can be worked on: {error}") from None


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"there is no {name} in JSON")


def _finite(digits: str) -> float:
    if not math.isfinite(number := float(digits)):
        raise ValueError("a number is beyond the range of double precision")
    return number
