"""Calls by which candidates are compared with each other: the arguments of the examples, and these changed a little.

What a model expects of a call is often wrong; how a call looks seldom is. So the arguments of its examples are changed
as their types allow (type-aware mutation: J. Liu et al., EvalPlus, 2023): candidates that do the same on all of them
are probably of one meaning, and those that differ only there could not be told apart before.
"""

import ast
from collections.abc import Iterator
from itertools import chain, islice, repeat
from typing import Any

from functions.ir import IntermediateRepresentation

MOST_CALLS = 24
_LONGEST = 2_000
"""Characters of a call: a doubled text stays as small as what examples hold."""


def probe_calls(ir: IntermediateRepresentation) -> tuple[str, ...]:
    """At most 24 calls of the function, none twice and none of an example; the same for the same specification.

    Empty where no example's arguments are literals, or no parameter takes any.
    """
    known = [values for values in (_values(example.arguments) for example in ir.examples) if values is not None]
    seen = {_call(ir, values) for values in known}
    found: dict[str, None] = {}
    for values in _in_turns([_neighbours(values, known) for values in known]):
        call = _call(ir, values)
        if call not in seen and len(call) <= _LONGEST:
            found[call] = None
        if len(found) == MOST_CALLS:
            break
    return tuple(found)


def _values(arguments: list[str]) -> tuple[Any, ...] | None:
    try:
        return tuple(ast.literal_eval(argument) for argument in arguments)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _call(ir: IntermediateRepresentation, values: tuple[Any, ...]) -> str:
    return f"{ir.signature.name}({', '.join(map(repr, values))})"


def _neighbours(values: tuple[Any, ...], known: list[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """`values` with one argument changed, or taken from another example."""
    like = [other for other in known if len(other) == len(values)]
    changes = [
        chain(_changed(value), [other[place] for other in like if type(other[place]) is type(value)])
        for place, value in enumerate(values)
    ]
    for place, value in _in_turns([zip(repeat(place), change) for place, change in enumerate(changes)]):
        yield (*values[:place], value, *values[place + 1 :])


def _in_turns(sources: list[Iterator[Any]]) -> Iterator[Any]:
    """The first of each, the second of each and so on, until all are at their end."""
    while sources:
        step = [list(islice(source, 1)) for source in sources]
        sources = [source for source, one in zip(sources, step, strict=True) if one]
        yield from chain.from_iterable(step)


def _changed(value: Any) -> Iterator[Any]:
    """Values of the same type near `value`; what most often tells programs apart comes first."""
    match value:
        case bool():
            yield not value
        case int():
            yield from (value + 1, value - 1, -value, 0, value * 10)
        case float():
            yield from (value + 1, -value, value / 2, 0.0, value * 10)
        case str():
            yield from _changed_text(value)
        case list():
            yield from _changed_items(value)
        case tuple() if value and len({type(item) for item in value}) == 1:
            yield value[::-1]
            yield from _with_one_changed(value)
        case tuple():
            yield from _with_one_changed(value)
        case set() | frozenset():
            yield from (type(value)(items) for items in _changed_items(sorted(value, key=repr)))
        case dict():
            yield from (dict(items) for items in _changed_items([*value.items()]))
        case _:
            return


def _changed_text(text: str) -> Iterator[str]:
    middle = len(text) // 2
    yield from (text[::-1], text[1:], text.swapcase(), text[:-1], text + text, "", f" {text}", text[:middle])
    yield from (text + text[-1:], text[:middle] + " " + text[middle:], text.upper(), text.lower())


def _changed_items(items: list[Any]) -> Iterator[list[Any]]:
    yield from (items[::-1], items + items[:1], items[1:], items[:-1], [], items[1:] + items[:1], items + items)
    for changed in _with_one_changed(tuple(items)):
        yield list(changed)


def _with_one_changed(items: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    for place, value in _in_turns([zip(repeat(place), _changed(item)) for place, item in enumerate(items)]):
        yield (*items[:place], value, *items[place + 1 :])
