"""One TypeScript function read off its source by its syntax tree; nothing of it is ever run."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import ValidationError
from tree_sitter import Node

from functions.constraints.extraction.syntax_tree import descendants, first_error, text_of
from functions.constraints.typescript_tree import parsed
from functions.failures import Refused
from functions.ir import Effect, Hole, Parameter, Signature
from functions.reversing.model import Reading
from functions.reversing.python_source import LONGEST, chosen
from functions.reversing.typescript_types import type_in_python

_EFFECTS: Mapping[str, Effect] = {
    "fetch": "network", "XMLHttpRequest": "network", "WebSocket": "network", "axios": "network", "http": "network",
    "https": "network", "net": "network", "fs": "filesystem", "Date.now": "clock", "performance.now": "clock",
    "setTimeout": "clock", "setInterval": "clock", "Math.random": "randomness", "crypto": "randomness",
    "console": "output", "process.stdout": "output", "process.stderr": "output", "process": "process",
    "child_process": "process", "globalThis": "global_state", "window": "global_state", "document": "global_state",
    "localStorage": "global_state", "sessionStorage": "global_state",
}  # fmt: skip
_TAG = re.compile(r"@(\w+)\s*(?:\{([^}]*)\})?\s*(.*)", re.DOTALL)


@dataclass(frozen=True)
class _Function:
    name: str
    node: Node
    statement: Node
    """With what exports it, after which its comment comes."""


def read_typescript(source: str, name: str | None) -> Reading:
    """The function called `name`, or the one that the source is about.

    Raises `Refused` for what does not parse, and when it is not clear which function is meant.
    """
    data = source.encode(errors="replace")
    root = parsed(data)
    if (fault := first_error(root)) is not None:
        place = fault.start_point
        raise Refused("/source", f"line {place.row + 1}, column {place.column + 1}: it is not TypeScript")
    functions = {function.name: function for function in _functions(root, data)}
    function = chosen(functions, [], name, lambda each: _called(each.node, data))
    comment = _comment(function.statement, data)
    tags = [found for part in re.split(r"(?m)^(?=@)", comment)[1:] if (found := _TAG.fullmatch(part.strip()))]
    prose = re.split(r"(?m)^@", comment)[0]
    paragraphs = [" ".join(p.split()) for p in re.split(r"\n\s*\n", prose) if p.strip()]
    described = dict(_described_parameters(tags))
    signature, holes = _signature(function, data, described)
    raises = [*_thrown(function.node, data), *(tag[2] for tag in tags if tag[1] in ("throws", "exception") and tag[2])]
    named = [each for each in dict.fromkeys(raises) if each.isidentifier()]
    return Reading(
        signature=signature.model_copy(update={"raises": named[:10]}),
        summary=(paragraphs[0] if paragraphs else "")[:LONGEST],
        rationale="\n".join(paragraphs[1:])[:LONGEST],
        effects=tuple(_effects(function.node, data)),
        assertions=(),
        claims=(),
        holes=tuple(holes),
        text=text_of(function.statement, data),
        is_plain=False,
    )


def _functions(root: Node, source: bytes) -> Iterator[_Function]:
    """Those of the file's own level: declared, or held by a constant."""
    for statement in root.named_children:
        inner = statement.child_by_field_name("declaration") if statement.type == "export_statement" else statement
        if inner is None:
            continue
        if inner.type in ("function_declaration", "generator_function_declaration"):
            name = inner.child_by_field_name("name")
            if name is not None:
                yield _Function(text_of(name, source), inner, statement)
        elif inner.type == "lexical_declaration":
            for declared in inner.named_children:
                name, value = declared.child_by_field_name("name"), declared.child_by_field_name("value")
                if name is not None and value is not None and value.type in ("arrow_function", "function_expression"):
                    yield _Function(text_of(name, source), value, statement)


def _signature(function: _Function, source: bytes, described: dict[str, str]) -> tuple[Signature, list[Hole]]:
    holes: list[Hole] = []
    parameters = []
    given = function.node.child_by_field_name("parameters")
    single = function.node.child_by_field_name("parameter")
    nodes = given.named_children if given is not None else [single] if single is not None else []
    for i, node in enumerate(child for child in nodes if child.type != "comment"):
        pattern = node.child_by_field_name("pattern") or node
        name = text_of(pattern, source).removeprefix("...")
        if name == "this":
            continue
        annotation, value = node.child_by_field_name("type"), node.child_by_field_name("value")
        is_optional = node.type == "optional_parameter"
        kind = _kind(annotation, source, f"type-{i}", f"`{name}`", holes)
        default = _default(value, source) if value is not None else "None" if is_optional else None
        if is_optional and "None" not in kind.split(" | "):
            kind = f"{kind} | None"
        try:
            parameters.append(
                Parameter(name=name, type=kind, description=described.get(name, "")[:LONGEST], default=default)
            )
        except ValidationError as error:
            raise Refused("/source", f"parameter {name[:80]}: {error.errors()[0]['msg']}") from None
    returned = function.node.child_by_field_name("return_type")
    returns = _kind(returned, source, "type-returns", f"the result of {function.name}", holes)
    try:
        signature = Signature(name=function.name, parameters=parameters, returns=returns)
    except ValidationError as error:
        raise Refused("/source", f"the head of {function.name}: {error.errors()[0]['msg']}") from None
    return signature, holes


def _kind(annotation: Node | None, source: bytes, hole: str, what: str, holes: list[Hole]) -> str:
    """The type in a specification's notation; with a hole where there is none, or none is written."""
    found = type_in_python(annotation, source) if annotation is not None else None
    if found is not None:
        return found
    written = text_of(annotation, source).removeprefix(":").strip() if annotation is not None else ""
    why = f"is {written[:200]} in TypeScript, which has no such notation here" if written else "has no annotation"
    holes.append(Hole(id=hole, kind="signature", question=f"{what} {why}. What is its type?", expected_type="type"))
    return "object"


def _default(value: Node, source: bytes) -> str:
    text = text_of(value, source)
    return {"true": "True", "false": "False", "null": "None", "undefined": "None"}.get(text, text)


def _comment(statement: Node, source: bytes) -> str:
    """The JSDoc before a statement, without its stars."""
    before = statement.prev_named_sibling
    text = text_of(before, source) if before is not None and before.type == "comment" else ""
    if not text.startswith("/**"):
        return ""
    lines = text.removeprefix("/**").removesuffix("*/").splitlines()
    return "\n".join(line.strip().removeprefix("*").strip() for line in lines).strip()


def _described_parameters(tags: list[re.Match[str]]) -> Iterator[tuple[str, str]]:
    for tag in tags:
        if tag[1] in ("param", "arg", "argument"):
            name, _, words = tag[3].partition(" ")
            yield name.strip("[]").split("=")[0], " ".join(words.split()).removeprefix("- ")


def _thrown(function: Node, source: bytes) -> Iterator[str]:
    """The classes of `throw new X(...)` that no `try` of the function is around."""
    for node in descendants(function):
        if node.type == "throw_statement" and not _is_tried(node, function):
            thrown = node.named_children[0] if node.named_children else None
            made = thrown.child_by_field_name("constructor") if thrown is not None else None
            if made is not None:
                yield text_of(made, source)


def _is_tried(node: Node, function: Node) -> bool:
    while node != function and node.parent is not None:
        around = node.parent
        body = around.child_by_field_name("body")
        if around.type == "try_statement" and body == node and around.child_by_field_name("handler") is not None:
            return True
        node = around
    return False


def _effects(function: Node, source: bytes) -> list[Effect]:
    found = set()
    for node in descendants(function):
        if node.type == "new_expression":
            made = node.child_by_field_name("constructor")
            name = text_of(made, source) if made is not None else ""
            arguments = node.child_by_field_name("arguments")
            if name == "Date" and not (arguments is not None and arguments.named_children):
                found.add("clock")
            found.update(effect for each, effect in _EFFECTS.items() if name == each)
        elif node.type in ("call_expression", "member_expression"):
            part = node.child_by_field_name("function") if node.type == "call_expression" else node
            dotted = text_of(part, source) if part is not None else ""
            longest = max((n for n in _EFFECTS if dotted == n or dotted.startswith(f"{n}.")), key=len, default=None)
            found.update([_EFFECTS[longest]] if longest else [])
    return [effect for effect in Effect.__args__ if effect in found]  # type: ignore[attr-defined] # of a Literal


def _called(function: Node, source: bytes) -> set[str]:
    calls = (node.child_by_field_name("function") for node in descendants(function) if node.type == "call_expression")
    return {text_of(call, source) for call in calls if call is not None}
