"""The head of a TypeScript function, read from what people write."""

from tree_sitter import Node

from functions.constraints.extraction.syntax_tree import text_of
from functions.constraints.signature import Signature
from functions.constraints.typescript_tree import parsed
from functions.failures import ConstraintRefused


def read_typescript_signature(text: str, pointer: str = "/signature") -> Signature:
    """The signature in `function add(a: number): number`, with or without `function` and the brace.

    Raises `ConstraintRefused` for what is not the head of exactly one function.
    """
    head = " ".join(text.strip().removesuffix("{").removesuffix(";").split())
    if not head.startswith(("function", "async ")):
        head = f"function {head}"
    source = f"{head} {{}}".encode()
    root = parsed(source)
    if root.has_error:
        raise ConstraintRefused(pointer, "not the head of a TypeScript function: write `function name(...): type`")
    match root.named_children:
        case [Node(type="function_declaration") as function]:
            return signature_of(function, source)
    raise ConstraintRefused(pointer, "not the head of one TypeScript function: write `function name(...): type`")


def signature_of(function: Node, source: bytes) -> Signature:
    """The head of a function declaration, its white space as one space each."""
    body = function.child_by_field_name("body")
    name = function.child_by_field_name("name")
    parameters = function.child_by_field_name("parameters")
    end = body.start_byte if body else function.end_byte
    head = " ".join(source[function.start_byte : end].decode().split()).removesuffix(";").strip()
    patterns = [child.child_by_field_name("pattern") for child in parameters.named_children] if parameters else []
    names = tuple(text_of(pattern, source) for pattern in patterns if pattern is not None)
    return Signature(text_of(name, source) if name else "", head, names, head.startswith("async "))
