"""What a request in words says exactly: the head of a function, and calls with what they give. A program reads it.

A model would copy it, with errors; what is read here is taken as it is written, and the model is asked for the rest.
"""

import ast
import re
from dataclasses import dataclass
from itertools import islice

from pydantic import ValidationError

from functions.ir import Example, Parameter, Signature
from functions.modern_types import modern_type
from functions.type_fitting import fits

_BUILTIN_TYPES = frozenset(
    ("int", "float", "str", "bool", "bytes", "object", "list", "dict", "set", "frozenset", "tuple", "complex")
)
_DEFINED = re.compile(r"\bdef\s+[A-Za-z_]")
_GIVES = re.compile(
    r"\s*(==>?|=>|->|=|\u2192|\u279e|\u2794|\u21d2|#\s*=>|returns?\b|gives?\b|should\s+(?:return|give|be)\b|is\b)\s*"
)
_RAISES = re.compile(r"\s*(?:raises?|should\s+raise)\s+(?:an?\s+)?([A-Z][A-Za-z]*(?:Error|Exception))")
# A request of 100 kB may name a function 30,000 times: as much is read as people write, in a few milliseconds.
_LONGEST_HEAD = 1_000
_MOST_HEADS = 8
_MOST_CLOSINGS = 100
_MOST_EXAMPLES = 10
_MOST_CALLS = 40
_LONGEST_EXAMPLE = 1_000
_LONGEST_LITERAL = 500


@dataclass(frozen=True)
class StatedHead:
    """A head without its body. The types in `open_types` (parameters' names, and "returns") were not said."""

    signature: Signature
    open_types: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Stated:
    """All that is said exactly. `clashing` are examples of one call each, of which no two can be right."""

    head: StatedHead | None = None
    examples: tuple[Example, ...] = ()
    clashing: tuple[tuple[Example, ...], ...] = ()


def stated(words: str) -> Stated:
    """Read `words`; what is not clear is not stated."""
    head = _head(words)
    if head is None:
        return Stated()
    by_call = _examples(words, head.signature, head.open_types)
    examples = tuple(said[0] for said in by_call if len(said) == 1)
    return Stated(head, examples[:_MOST_EXAMPLES], tuple(said for said in by_call if len(said) > 1))


def _head(words: str) -> StatedHead | None:
    """The last one that is written out: helpers come before what needs them."""
    for found in islice(reversed(list(_DEFINED.finditer(words))), _MOST_HEADS):
        text = words[found.start() : found.start() + _LONGEST_HEAD]
        closing = [match.start() for match in re.finditer(r":|\n|$", text)]
        closing += [match.end() for match in re.finditer(r"\)", text)]
        for end in closing[:_MOST_CLOSINGS]:
            if node := _function(text[:end].rstrip().rstrip(".,;`'\"")):
                return _read(node)
    return None


def _function(text: str) -> ast.FunctionDef | None:
    try:
        match ast.parse(f"{text}: ...").body:
            case [ast.FunctionDef() as node]:
                return node
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass
    return None


def _read(node: ast.FunctionDef) -> StatedHead | None:
    given = node.args
    if given.vararg or given.kwarg or given.kwonlyargs or given.posonlyargs:
        return None
    defaults = [*[None] * (len(given.args) - len(given.defaults)), *given.defaults]
    annotations = {argument.arg: argument.annotation for argument in given.args} | {"returns": node.returns}
    types = {name: modern_type(annotation) for name, annotation in annotations.items() if annotation}
    if not all(map(_is_builtin, types.values())):
        return None
    try:
        parameters = [
            Parameter(name=a.arg, type=types.get(a.arg, "object"), default=ast.unparse(default) if default else None)
            for a, default in zip(given.args, defaults, strict=True)
        ]
        signature = Signature(name=node.name, parameters=parameters, returns=types.get("returns", "object"))
    except ValidationError:
        return None
    return StatedHead(signature, frozenset(annotations.keys() - types.keys()))


def _is_builtin(annotation: str) -> bool:
    tree = ast.parse(annotation, mode="eval")
    return all(node.id in _BUILTIN_TYPES for node in ast.walk(tree) if isinstance(node, ast.Name))


def _examples(words: str, signature: Signature, open_types: frozenset[str]) -> list[tuple[Example, ...]]:
    """What is said of each call, once."""
    found: dict[tuple[str, ...], dict[tuple[str | None, str | None], Example]] = {}
    calls = re.finditer(rf"(?<![\w.])(?<!def ){re.escape(signature.name)}\(", words)
    for match in islice(calls, _MOST_CALLS):
        example = _example(words[match.start() : match.start() + _LONGEST_EXAMPLE], signature)
        if example is not None and _fits(example, signature, open_types):
            found.setdefault(tuple(example.arguments), {}).setdefault((example.result, example.raises), example)
    return [tuple(said.values()) for said in found.values()]


def _example(text: str, signature: Signature) -> Example | None:
    """Of a text that begins with a call: its literal arguments, and what comes of it."""
    call, rest = _leading(text, r"\)")
    if not isinstance(call, ast.Call) or call.keywords or not all(map(_is_literal, call.args)):
        return None
    if len(call.args) != len(signature.parameters):
        return None
    arguments = [ast.unparse(argument) for argument in call.args]
    if raised := _RAISES.match(rest):
        return Example(arguments=arguments, raises=raised[1])
    gives = _GIVES.match(rest)
    is_doctest = rest[:1] == "\n" and not gives
    result, after = _leading(rest[gives.end() :] if gives else rest.lstrip() if is_doctest else "", r"[\])}'\"]|\w+")
    if (
        result is None
        or not _is_literal(result)
        or re.match(r"\s*(?:[-+*/%<>&|^]|or\b|and\b|if\b)", after.split("\n")[0])
    ):
        return None
    return Example(arguments=arguments, result=ast.unparse(result))


def _leading(text: str, ends: str) -> tuple[ast.expr | None, str]:
    """The longest literal or call that `text` begins with on its first line, and what follows it."""
    line = text.split("\n", 1)[0][:_LONGEST_LITERAL]
    closings = sorted((match.end() for match in re.finditer(ends, line)), reverse=ends != r"\)")
    for end in closings[:_MOST_CLOSINGS]:
        try:
            tree = ast.parse(line[:end], mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        if isinstance(tree, ast.Call) or _is_literal(tree):
            return tree, text[end:]
    return None, text


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return False
    return True


def _fits(example: Example, signature: Signature, open_types: frozenset[str]) -> bool:
    pairs = [(p.name, p.type, a) for p, a in zip(signature.parameters, example.arguments, strict=True)]
    pairs += [("returns", signature.returns, example.result)] if example.result is not None else []
    return all(name in open_types or fits(ast.literal_eval(text), kind) for name, kind, text in pairs)
