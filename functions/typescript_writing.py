"""A specification in TypeScript's notation: its head, and the words that a model writes the function by.

Specifications have Python's notation for types and values whatever their language; this is the way back from
`functions.reversing.typescript_types`.
"""

import ast
import json
import keyword
import re
from collections.abc import Mapping
from typing import Any

from functions.failures import Refused
from functions.ir import LEFT_TO_CODE, IntermediateRepresentation, renamed

_NAMES: Mapping[str, str] = {
    "int": "number", "float": "number", "complex": "number", "str": "string", "bool": "boolean", "None": "null",
    "object": "unknown", "Any": "unknown", "bytes": "Uint8Array", "list": "unknown[]", "tuple": "unknown[]",
    "dict": "Record<string, unknown>", "set": "Set<unknown>", "frozenset": "ReadonlySet<unknown>",
    "datetime": "Date", "date": "Date",
}  # fmt: skip
# Where a specification names Python's exceptions: those of TypeScript that say the same.
_EXCEPTIONS: Mapping[str, str] = dict.fromkeys(
    ("ValueError", "KeyError", "IndexError", "ZeroDivisionError"), "RangeError"
)
TYPESCRIPT_PROMPTS: Mapping[str, float] = {"implement_typescript.v1": 1.0}
"""Versions of the prompt, by weight."""
_LISTS = frozenset({"list", "List", "Sequence", "Iterable", "Collection"})
_SETS: Mapping[str, str] = {"set": "Set", "frozenset": "ReadonlySet"}
_MAPS = frozenset({"dict", "Dict", "Mapping"})


def typescript_head(ir: IntermediateRepresentation) -> str:
    """As one line, without the brace: `function add(a: number, b: number = 0): number`.

    A specification that was read off TypeScript has `int` for `bigint`; others mean a number by it. Raises `Refused`
    for a type or a default that TypeScript does not have.
    """
    signature = ir.signature
    is_read = ir.metadata.origin == "code"
    parameters = []
    for i, parameter in enumerate(signature.parameters):
        pointer = f"/ir/signature/parameters/{i}"
        kind = _type(parameter.type, f"{pointer}/type", is_read=is_read)
        given = parameter.default
        default = "" if given is None else f" = {_literal(given, f'{pointer}/default', is_read=is_read)}"
        parameters.append(f"{parameter.name}: {kind}{default}")
    returns = _type(signature.returns, "/ir/signature/returns", is_read=is_read)
    return f"function {signature.name}({', '.join(parameters)}): {'void' if returns == 'null' else returns}"


def typescript_text(ir: IntermediateRepresentation) -> str:
    """The specification as the model reads it, without what a model has made up; conditions as they are, in Python."""
    guesses, name = ir.guesses, ir.signature.name
    lines = [ir.intent.summary]
    lines += [f"As it was asked for: {ir.intent.rationale}"] if ir.intent.rationale else []
    lines += [typescript_head(ir)]
    lines += [f"{p.name}: {p.description}" for p in ir.signature.parameters if p.description]
    lines += [f"{hole.question} {hole.answer}" for hole in ir.holes if hole.answer not in (None, LEFT_TO_CODE)]
    lines += [f"Always: {one.expression}" for i, one in enumerate(ir.assertions) if f"/assertions/{i}" not in guesses]
    for i, example in enumerate(ir.examples):
        if f"/examples/{i}" in guesses:
            continue
        values = [_value_or(text) for text in example.arguments]
        outcome = f"throws {example.raises}" if example.raises else f"gives {_value_or(example.result or 'None')}"
        lines.append(f"{name}({', '.join(values)}) {outcome}")
    lines += [str(c["description"]) for c in ir.constraints if c.get("description")]
    return "\n".join(lines)


def as_typescript(ir: IntermediateRepresentation) -> IntermediateRepresentation:
    """A specification out of words with the names and exceptions of TypeScript, where a model has chosen them."""
    raises = [*dict.fromkeys(_EXCEPTIONS.get(name, name) for name in ir.signature.raises)]
    examples = [
        example.model_copy(update={"raises": example.raises and _EXCEPTIONS.get(example.raises, example.raises)})
        for example in ir.examples
    ]
    signature = ir.signature.model_copy(update={"raises": raises})
    ir = ir.model_copy(update={"signature": signature, "examples": examples})
    return _in_camel_case(ir) if "/signature" in ir.guesses else ir


def _in_camel_case(ir: IntermediateRepresentation) -> IntermediateRepresentation:
    names = {parameter.name: _camel(parameter.name) for parameter in ir.signature.parameters}
    if len(set(names.values())) < len(names):
        return ir
    parameters = [p.model_copy(update={"name": names[p.name]}) for p in ir.signature.parameters]
    assertions = [a.model_copy(update={"expression": _renamed(a.expression, names)}) for a in ir.assertions]
    signature = ir.signature.model_copy(update={"parameters": parameters})
    changed = ir.model_copy(update={"signature": signature, "assertions": assertions})
    return renamed(changed, _camel(ir.signature.name))


def _type(text: str, pointer: str, *, is_read: bool) -> str:
    try:
        return _typed(ast.parse(text, mode="eval").body, is_read=is_read)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise Refused(pointer, f"{text[:80]} is no type that TypeScript has; write it with builtins") from None


def _typed(node: ast.expr, *, is_read: bool) -> str:  # noqa: C901, PLR0911, PLR0912 - one case for each form of a type
    def inner(part: ast.expr) -> str:
        return _typed(part, is_read=is_read)

    match node:
        case ast.Constant(value=None):
            return "null"
        case ast.Constant(value=str(quoted)):
            return inner(ast.parse(quoted, mode="eval").body)
        case ast.Name(id="int") if is_read:
            return "bigint"
        case ast.Name(id=name):
            return _NAMES.get(name, name)
        case ast.Attribute(attr=name):
            return _NAMES.get(name, name)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return " | ".join(dict.fromkeys([*inner(left).split(" | "), *inner(right).split(" | ")]))
        case ast.Subscript(value=ast.Name(id="Optional"), slice=item):
            return f"{inner(item)} | null"
        case ast.Subscript(value=ast.Name(id="Literal"), slice=ast.Tuple(elts=items)):
            return " | ".join(_written(ast.literal_eval(item)) for item in items)
        case ast.Subscript(value=ast.Name(id="Literal"), slice=item):
            return _written(ast.literal_eval(item))
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Tuple(elts=[key, item])) if name in _MAPS:
            return (
                f"Record<{inner(key)}, {inner(item)}>"
                if inner(key) in ("string", "number")
                else (f"Map<{inner(key)}, {inner(item)}>")
            )
        case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=[item, ast.Constant(value=end)])) if (
            end is ...
        ):
            return _array(inner(item))
        case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=items)):
            return f"[{', '.join(map(inner, items))}]"
        case ast.Subscript(value=ast.Name(id="tuple"), slice=item):
            return f"[{inner(item)}]"
        case ast.Subscript(value=ast.Name(id=name), slice=item) if name in _LISTS:
            return _array(inner(item))
        case ast.Subscript(value=ast.Name(id=name), slice=item) if name in _SETS:
            return f"{_SETS[name]}<{inner(item)}>"
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Tuple(elts=items)):
            return f"{name}<{', '.join(map(inner, items))}>"
        case ast.Subscript(value=ast.Name(id=name), slice=item):
            return f"{name}<{inner(item)}>"
    raise ValueError(ast.unparse(node))


def _array(item: str) -> str:
    return f"({item})[]" if " | " in item else f"{item}[]"


def _literal(text: str, pointer: str, *, is_read: bool) -> str:
    try:
        value = ast.literal_eval(text)
        return text if is_read and isinstance(value, str) else _written(value)  # quoted as it was
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        raise Refused(pointer, f"{text[:80]} is no value that TypeScript has") from None


def _value_or(text: str) -> str:
    """A value in TypeScript's notation; what has none stays as it is."""
    try:
        return _written(ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return text


def _written(value: Any) -> str:
    match value:
        case None | bool() | str() | int() | float():
            return _number(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
        case list() | tuple():
            return f"[{', '.join(map(_written, value))}]"
        case set() | frozenset():
            return f"new Set([{', '.join(map(_written, value))}])"
        case dict():
            members = (f"{_written(key)}: {_written(item)}" for key, item in value.items())
            return f"{{ {', '.join(members)} }}" if value else "{}"
        case bytes():
            return f"new Uint8Array([{', '.join(map(str, value))}])"
    raise ValueError(value)


def _number(value: float) -> str:
    special = {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(repr(value))
    return special or json.dumps(value)


def _camel(name: str) -> str:
    head, *rest = re.split(r"_+", name.strip("_")) or [name]
    camel = head + "".join(part[:1].upper() + part[1:] for part in rest)
    return camel if camel.isidentifier() and not keyword.iskeyword(camel) else name


def _renamed(expression: str, names: Mapping[str, str]) -> str:
    tree = ast.parse(expression, mode="eval")
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = names.get(node.id, node.id)
    return ast.unparse(tree)
