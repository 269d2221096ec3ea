"""Values as text and back, between a candidate and those that judge it: neither side runs what the other has written.

What is written is a Python expression of literals and of a few types of the standard library. It may import the
standard library alone: it is loaded inside the sandbox too.
"""

import ast
import datetime as dt
import decimal
import fractions
import itertools
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

MOST_ITEMS = 10_000
"""Of an iterator, which may be endless: what comes after these is not there for whoever reads."""


class NotPlain(ValueError):  # noqa: N818 - of a value, whoever is to blame
    """A value, or a text, that is of no kind that can be brought to the other side."""


_NUMBERS: dict[str, float] = {"inf": float("inf"), "nan": float("nan")}
_SCALARS: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (bool, bool.__repr__),
    (int, int.__repr__),
    (float, float.__repr__),
    (complex, complex.__repr__),
    (str, str.__repr__),
    (bytes, bytes.__repr__),
)
"""A subclass's own `__repr__` is its own."""
_MOMENTS = (dt.datetime, dt.date, dt.time, dt.timedelta, dt.timezone)
_CALLS: dict[str, Callable[..., Any]] = {
    "set": set,
    "frozenset": frozenset,
    "bytearray": bytearray,
    "iter": iter,
    "range": range,
    "deque": deque,
    "Decimal": decimal.Decimal,
    "Fraction": fractions.Fraction,
    "UUID": uuid.UUID,
    **{f"datetime.{moment.__name__}": moment for moment in _MOMENTS},
}
_NAMES: dict[str, Any] = {**_NUMBERS, "datetime.timezone.utc": dt.UTC}


def written(value: Any) -> str:  # noqa: C901, PLR0911, PLR0912 - one case for each kind of value
    """As text that `read` takes; a subclass of a builtin type as that type. Raises `NotPlain` for anything else."""
    if value is None or value is ...:
        return repr(value)
    for scalar, as_text in _SCALARS:
        if isinstance(value, scalar):
            return _scalar(as_text, value)
    if type(value) in _MOMENTS:
        return repr(value)
    match value:
        case list():
            return f"[{_items(value)}]"
        case tuple():
            return f"({_items(value)},)" if value else "()"
        case set():
            return f"{{{_items(value)}}}" if value else "set()"
        case frozenset():
            return f"frozenset([{_items(value)}])"
        case dict():
            return f"{{{', '.join(f'{written(key)}: {written(item)}' for key, item in dict.items(value))}}}"
        case deque():
            return f"deque([{_items(value)}], {value.maxlen})"
        case range() | decimal.Decimal() | fractions.Fraction() | uuid.UUID():
            return repr(value)
        case bytearray():
            return f"bytearray({bytes(value)!r})"
        case Iterator():
            return f"iter([{_items(itertools.islice(value, MOST_ITEMS))}])"
    raise NotPlain(f"a value of class {type(value).__name__}")


def read(text: str) -> Any:
    """The value that was written. Raises `NotPlain` for what `written` does not write."""
    try:
        return _value(ast.parse(text, mode="eval").body)
    except NotPlain:
        raise
    except (SyntaxError, TypeError, ValueError, ArithmeticError, MemoryError, RecursionError) as error:
        raise NotPlain(text[:80]) from error


def _scalar(as_text: Callable[[Any], str], value: Any) -> str:
    try:
        return as_text(value)
    except ValueError as error:  # more digits than Python writes
        raise NotPlain(str(error)) from error


def _items(items: Any) -> str:
    return ", ".join(map(written, items))


def _value(node: ast.expr) -> Any:  # noqa: C901, PLR0911 - one case for each form
    match node:
        case ast.Constant(value=value):
            return value
        case ast.List(elts=items):
            return list(map(_value, items))
        case ast.Tuple(elts=items):
            return tuple(map(_value, items))
        case ast.Set(elts=items):
            return set(map(_value, items))
        case ast.Dict(keys=keys, values=values):
            return {_value(key): _value(item) for key, item in zip(keys, values, strict=True) if key is not None}
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as sign, right=right):  # a complex number, or an edge of one
            return _value(left) + _value(right) if isinstance(sign, ast.Add) else _value(left) - _value(right)
        case ast.Call(func=called, args=arguments, keywords=keywords):
            make = _CALLS.get(ast.unparse(called))
            if make is not None:
                named = {keyword.arg or "": _value(keyword.value) for keyword in keywords}
                return make(*map(_value, arguments), **named)
        case ast.Name() | ast.Attribute():
            name = ast.unparse(node)
            if name in _NAMES:
                return _NAMES[name]
    raise NotPlain(f"{ast.unparse(node)[:80]} is no plain value")
